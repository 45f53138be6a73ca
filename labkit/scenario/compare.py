"""Whether an object is what its manifest says, and if not, where it differs.

The API server itself is asked what it would make of the manifest (a dry run under another name), so
defaults need not be known here, and a change that no manifest mentions, a paused rollout or an extra
variable, is noticed too.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from labkit.kube.api.api import Api, Obj
from labkit.kube.api.resources import resource_of
from labkit.language import gettext

_ALLOCATED = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort")
_ELSEWHERE = ("apiVersion", "kind", "metadata", "spec", "status")
"""What is looked at by itself, or says nothing of the manifest; a ConfigMap, say, has ``data`` besides."""


def imagined(api: Api, obj: Obj) -> Obj:
    """What the API server would make of *obj*, were it new.

    Of a Namespace only the labels count, which stay as they are; and who is given one may not make any.
    """
    new = copy.deepcopy(obj)
    if obj["kind"] == "Namespace":
        return api.adapt(api, new)
    new["metadata"]["name"] += "-imagined"
    path = resource_of(api, obj).path(obj["metadata"].get("namespace", ""))
    return api.request("POST", path, query={"dryRun": "All"}, body=new).object


def is_as(there: Obj, imagined: Obj) -> bool:
    """Whether *there* is what its manifest makes of it; *imagined* comes from :func:`imagined`."""
    if there["metadata"].get("deletionTimestamp"):
        return False
    if there["kind"] == "Namespace":
        wanted = imagined["metadata"].get("labels") or {}
        labels = there["metadata"].get("labels") or {}
        return all(labels.get(k) == v for k, v in wanted.items() if k != "kubernetes.io/metadata.name")
    return essence(there) == essence(imagined)


def essence(obj: Obj) -> dict[str, Any]:
    """What a manifest decides: without what the server hands out and what tools remember."""
    spec = {key: value for key, value in (obj.get("spec") or {}).items() if key not in _ALLOCATED}
    if obj["kind"] == "Service":
        spec["ports"] = [
            {key: value for key, value in port.items() if key != "nodePort"}
            for port in spec.get("ports") or []
        ]
        spec["headless"] = obj["spec"].get("clusterIP") == "None"
    annotations = obj["metadata"].get("annotations") or {}
    kept = {key: value for key, value in annotations.items() if "kubernetes.io/" not in key}
    others = {key: value for key, value in obj.items() if key not in _ELSEWHERE}
    return {"spec": spec, "labels": obj["metadata"].get("labels") or {}, "annotations": kept, **others}


def differences(there: Obj, imagined: Obj) -> list[str]:
    """Where *there* is not as its manifest says: ``spec.replicas is 0, the manifest says 1``."""
    if there["metadata"].get("deletionTimestamp"):
        return [gettext("it is being deleted")]
    return [
        gettext(
            "{path} is {found}, the manifest says {wanted}",
            path=path,
            found=_words(found),
            wanted=_words(wanted),
        )
        for path, found, wanted in _unlike("", _shown(there), _shown(imagined))
    ]


def differing(there: Obj, imagined: Obj) -> list[str]:
    """In which fields *there* is not as its manifest says: ``spec.replicas``."""
    return [path for path, _, _ in _unlike("", _shown(there), _shown(imagined))]


def _shown(obj: Obj) -> dict[str, Any]:
    if obj["kind"] == "Namespace":
        labels = obj["metadata"].get("labels") or {}
        return {"labels": {k: v for k, v in labels.items() if k == "istio-injection"}}
    return essence(obj)


def _unlike(path: str, found: Any, wanted: Any) -> Iterator[tuple[str, Any, Any]]:
    """Each field that is not the same: its path, and both values."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in dict.fromkeys([*wanted, *found]):
            yield from _unlike(f"{path}.{key}" if path else key, found.get(key), wanted.get(key))
    elif isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        for number, (one, other) in enumerate(zip(found, wanted, strict=True)):
            yield from _unlike(f"{path}[{number}]", one, other)
    elif found != wanted:
        yield path, found, wanted


def _words(value: Any) -> str:
    if value is None:
        return gettext("not set")
    if isinstance(value, list):
        return gettext("a list of {count}", count=len(value)) if len(str(value)) > 30 else str(value)
    return gettext("set") if isinstance(value, dict) else str(value)
