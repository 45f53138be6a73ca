"""The same requests to a real API server and to the embedded one: what differs is listed here, with a reason.

They stand in differential_requests.py. Ids, times, addresses and what controllers and the kubelet write are
left out of the comparison; the rest has to be the same, to the last word. A difference that is new fails,
and so does one that is listed but is no more.
"""

import json
import re
from typing import Any

import pytest

from . import (
    differential_admission,
    differential_certificates,
    differential_conversion,
    differential_crds,
    differential_kept,
    differential_policy,
    differential_system,
    differential_workloads,
)
from .differential_requests import REQUESTS as OTHERS

_LAST = {"delete namespace": OTHERS["delete namespace"]}
_PARTS = (
    {name: each for name, each in OTHERS.items() if name not in _LAST},
    differential_policy.REQUESTS,
    differential_workloads.REQUESTS,
    differential_kept.REQUESTS,
    differential_admission.REQUESTS,
    differential_certificates.REQUESTS,
    differential_system.REQUESTS,
    differential_crds.REQUESTS,
    differential_conversion.REQUESTS,
    _LAST,
)
REQUESTS = {name: each for part in _PARTS for name, each in part.items()}
_GO = "the words are those of a parser that is written in Go"
_TWICE = "the real server checks a pod's metadata twice and lists each cause again"
_STRUCT = "a value is quoted as Go's structs are, with the fields they have inside"
_PICTURE = "the real one adds a picture of Go's structs that differ"
DIFFER = {
    "endpoint slice": "an empty list comes out of the real one's storage (protobuf) as null",
    "role binding to another": _STRUCT,
    "two ports alike": _STRUCT,
    "no json": _GO,
    "no yaml": _GO,
    "another uid": "the real one tells of its storage's keys",
    "merge patch that does not fit": "the object is quoted with its fields in the order of Go's structs",
    "token that is none": "a token is each server's own",
    "form nobody has": "the embedded one answers in JSON and YAML, not in protobuf",
    "may I as a table": "the embedded one answers in JSON and YAML, not in protobuf",
    "other node": _PICTURE,
    "debugging what is there": _PICTURE,
    "debuggers by the front door": _PICTURE,
    "pod with a bad label": _TWICE,
    "finalizer of nobody": _TWICE,
    "may I two things": _STRUCT,
    "pattern that is none": _GO,
    "whole number as float": "the embedded one takes 2.0 for the whole number that it is",
    "ratio of nothing": "the real one takes a value for the factor it is to be a multiple of",
    "daemon sets as a table": "the real one keeps the template's number in a field of its own inside",
    "scaler without policies": "the embedded one drops an empty list when it reads one",
    "attachment that changes": _STRUCT,
    "address that moves": _STRUCT,
    "one flow as a table": "nobody here looks whether its priority level is there",
    "null metadata of a custom object": "of an object without a name nothing else is said here",
    "watch of no version": "the real one calls what the client got wrong a fault of its own (500)",
}
"""What is known to differ, and why that is left so."""

_IDS = {
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "managedFields",
    "lastTransitionTime",
    "lastPhaseTransitionTime",
    "continue",
    "generation",
    "autoscaling.alpha.kubernetes.io/conditions",
}
_NOTHING: tuple[tuple[str, Any], ...] = (("annotations", {}), ("volumes", []), ("volumeMounts", []))
"""What may be said or not."""
_REVISION = "deployment.kubernetes.io/revision"
_ADDRESSES = {"clusterIP", "clusterIPs", "nodePort", "podIP", "hostIP"}
_BY_OTHERS = {"status", "nodeName", "serviceAccount", "serviceAccountName"}
_WITH_STATUS = (
    "Pod",
    "Deployment",
    "PodDisruptionBudget",
    "Job",
    "CronJob",
    "HorizontalPodAutoscaler",
    "ReplicationController",
    "ResourceQuota",
    "StatefulSet",
    "DaemonSet",
)
_NOT_ALIKE = ("Age", "Created At", "Cluster-IP", "Port(s)")
_OWNER, _ADMIN = "labkit-admin", "admin"
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def _compared(answer: Any) -> dict[str, Any]:
    """The answer without what can't be the same."""
    try:
        body = answer.json
    except ValueError:
        body = answer.body.decode()
    warnings = [each for each in answer.warnings if "in this lab" not in each]
    return {"code": answer.code, "warnings": warnings, "body": _plain(body, _left_out(body))}


def _left_out(body: Any) -> set[str]:
    """A Status is all about its status; what others write into objects is not the API server's."""
    kind = body.get("kind") if isinstance(body, dict) else ""
    return {*_IDS, *_ADDRESSES, _REVISION} | (_BY_OTHERS if kind in _WITH_STATUS else set())


def _plain(value: Any, left_out: set[str]) -> Any:
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if key not in left_out}
        if value.get("kind") == "Table":
            kept = _plain_table(kept)
        found = {key: _plain(each, left_out) for key, each in kept.items()}
        return {key: each for key, each in found.items() if (key, each) not in _NOTHING}
    if isinstance(value, list):
        return [_plain(each, left_out) for each in value if not _is_of_token(each)]
    return _UID.sub("UID", value).replace(_OWNER, _ADMIN) if isinstance(value, str) else value


def _is_of_token(value: Any) -> bool:
    """The real one runs without the plug-in that gives pods a token."""
    return isinstance(value, dict) and str(value.get("name")).startswith("kube-api-access-")


def _plain_table(table: dict[str, Any]) -> dict[str, Any]:
    """Cells hold addresses, ages and a job's progress; the real server documents its columns."""
    columns = [{**each, "description": ""} for each in table["columnDefinitions"]]
    names = [each["name"] for each in columns]
    hidden = [
        i for i, each in enumerate(names) if each in _NOT_ALIKE or (each == "Status" and "Duration" in names)
    ]
    rows = [
        {**row, "cells": [cell for i, cell in enumerate(row["cells"]) if i not in hidden]}
        for row in table["rows"]
    ]
    return {**table, "columnDefinitions": columns, "rows": rows}


@pytest.fixture(scope="module")
def answers(both):
    """What each of the two answered to each request."""
    return {name: [_answer(server, request) for server in both] for name, request in REQUESTS.items()}


def _answer(server, request):
    answer = server.ask(
        request.method, request.path, request.body, content_type=request.content_type, accept=request.accept
    )
    if request.path.startswith(differential_crds.CRDS) and answer.code in (200, 201):
        differential_crds.settle(server, request)
    return answer


@pytest.mark.slow
@pytest.mark.parametrize("name", REQUESTS)
def test_both_answer_alike(answers, name):
    real, ours = (_compared(answer) for answer in answers[name])
    if name not in DIFFER:
        assert json.dumps(ours, indent=1, sort_keys=True) == json.dumps(real, indent=1, sort_keys=True)
    else:
        assert ours != real, f"no difference any more: take {name!r} off the list"


def test_each_request_has_a_name_of_its_own():
    assert sum(map(len, _PARTS)) == len(REQUESTS)


def test_only_requests_that_are_sent_are_listed():
    assert set(DIFFER) <= set(REQUESTS)
