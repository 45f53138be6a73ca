"""Targets that are not there: who is attached to one is heard by nobody, and no proxy says so.

Nor does a real istiod say it of such an object. It is no fault of the object's: what it names may come yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from labkit.embedded.mesh.resources import (
    AUTHORIZATION_POLICIES,
    ENVOY_FILTERS,
    PODS,
    REQUEST_AUTHENTICATIONS,
    SERVICE_ENTRIES,
    SERVICES,
    TELEMETRIES,
)
from labkit.embedded.mesh.security.attachment import GATEWAY_NAME
from labkit.embedded.objects import Obj, labels_of, name_of, namespace_of

Listed = Callable[[str], Iterable[Obj]]
"""The objects there are, by their resource's name."""

_ATTACHED = (AUTHORIZATION_POLICIES, REQUEST_AUTHENTICATIONS, TELEMETRIES, ENVOY_FILTERS)
_KEPT = {"Service": SERVICES, "ServiceEntry": SERVICE_ENTRIES}


def missing(resource: str, obj: Obj, listed: Listed) -> Iterator[str]:
    """``field: what is not there``, of each target of *obj* that is not."""
    if resource not in _ATTACHED:
        return
    for field, target in targets_of(obj.get("spec") or {}):
        why = _why(str(target.get("kind") or ""), str(target.get("name") or ""), namespace_of(obj), listed)
        if why:
            yield f"{field}: {why}"


def targets_of(spec: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(where it stands, target)."""
    if spec.get("targetRef"):
        yield "spec.targetRef", spec["targetRef"]
    for number, each in enumerate(spec.get("targetRefs") or []):
        yield f"spec.targetRefs[{number}]", each or {}


def _why(kind: str, name: str, namespace: str, listed: Listed) -> str:
    if kind == "Gateway":
        carried = any(
            namespace_of(pod) == namespace and labels_of(pod).get(GATEWAY_NAME) == name
            for pod in listed(PODS)
        )
        if not carried:
            label = f"{GATEWAY_NAME}: {name}"
            return f"no pod in namespace {namespace} has the label {label}, so no proxy goes by this"
    if kind in _KEPT:
        there = any((namespace_of(each), name_of(each)) == (namespace, name) for each in listed(_KEPT[kind]))
        return "" if there else f"there is no {kind} {name} in namespace {namespace}"
    return ""
