"""APIServices: which server answers for a group. It is always this one; they are just to be looked at."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, Row
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.registry import Registry
from labkit.embedded.api.types.resources import MEASURED, ResourceType
from labkit.embedded.objects import Obj, condition_of

RESOURCE = "apiservices.apiregistration.k8s.io"
NOT_AGGREGATED = (
    "APIServices can't be written in this lab: no other API server stands behind this one, which "
    "answers for all groups itself; kinds of your own come by CustomResourceDefinitions"
)
_MANAGED = "kube-aggregator.kubernetes.io/automanaged"
_PRIORITIES = {
    "": 18000, "apps": 17800, "events.k8s.io": 17750, "authentication.k8s.io": 17700,
    "authorization.k8s.io": 17600, "autoscaling": 17500, "batch": 17400, "certificates.k8s.io": 17300,
    "networking.k8s.io": 17200, "policy": 17100, "rbac.authorization.k8s.io": 17000, "storage.k8s.io": 16800,
    "apiextensions.k8s.io": 16700, "admissionregistration.k8s.io": 16700, "scheduling.k8s.io": 16600,
    "coordination.k8s.io": 16500, "node.k8s.io": 16300, "discovery.k8s.io": 16200,
    "resource.k8s.io": 16200, "flowcontrol.apiserver.k8s.io": 16100,
}  # fmt: skip
"""Of the groups, from ``cmd/kube-apiserver/app/aggregator.go``."""
_VERSIONS = {
    ("", "v1"): 1,
    ("autoscaling", "v2"): 30,
    ("flowcontrol.apiserver.k8s.io", "v1"): 21,
    ("resource.k8s.io", "v1"): 21,
}
_OWN, _OTHERS = 15, (1000, 100)
_LOCAL = {
    "type": "Available",
    "status": "True",
    "reason": "Local",
    "message": "Local APIServices are always available",
}


def all_of(registry: Registry, since: str) -> Iterator[Obj]:
    """One for each group and version that is served, by name; *since* when there has been this server."""
    served = {(each.group, version): each for each in registry.values() for version in each.versions}
    for (group, version), each in sorted(served.items(), key=lambda item: f"{item[0][1]}.{item[0][0]}"):
        if group != "apiregistration.k8s.io":
            yield _service(group, version, each, since)


def _service(group: str, version: str, type_: ResourceType, since: str) -> Obj:
    name = f"{version}.{group}"
    is_own = group in _PRIORITIES
    minimum, own = (_PRIORITIES[group], _VERSIONS.get((group, version), _OWN)) if is_own else _OTHERS
    spec = {"group": group, "version": version, "groupPriorityMinimum": minimum, "versionPriority": own}
    return {
        "metadata": {
            "name": name,
            "uid": str(uuid.uuid5(uuid.NAMESPACE_DNS, name)),
            "creationTimestamp": since,
            "labels": {_MANAGED: "true" if type_.custom else "onstart"},
        },
        "spec": {key: each for key, each in spec.items() if each},
        "status": {"conditions": [{"lastTransitionTime": since, **_LOCAL}]},
    }


def _server(row: Row) -> str:
    service = row.obj["spec"].get("service")
    return f"{service['namespace']}/{service['name']}" if service else "Local"


def _available(row: Row) -> str:
    found = condition_of(row.obj, "Available") or {}
    status, reason = found.get("status", "Unknown"), found.get("reason", "")
    return status if status == "True" else f"{status} ({reason})"


API_SERVICE = Kind(
    ResourceType(
        "apiregistration.k8s.io",
        ("v1",),
        "APIService",
        "apiservices",
        "apiservice",
        namespaced=False,
        categories=("api-extensions",),
        verbs=MEASURED,
    ),
    columns=(NAME, Column("Service", _server), Column("Available", _available), AGE),
)
