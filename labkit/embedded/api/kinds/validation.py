"""Is an object one the cluster can work with? The checks of ``k8s.io/kubernetes/pkg/apis/*/validation``.

They run on complete objects: decoded, defaulted, past admission. Only what this cluster can make
anything of is checked; Istio's kinds are checked against their CustomResourceDefinition here, and
by istiod's own rules in the mesh's validation.
"""

from __future__ import annotations

from labkit.embedded.api.kinds import catalogue, workloads
from labkit.embedded.api.kinds.common import meta
from labkit.embedded.api.kinds.common.causes import Cause, Causes
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj
from labkit.embedded.status import ApiError, invalid


def validate(obj: Obj, type_: ResourceType, old: Obj | None = None, *, version: str = "") -> list[Cause]:
    """What is wrong with *obj* (storage form), which replaces *old* if given; nothing if empty."""
    causes = Causes()
    kind = catalogue.of(type_, version)
    meta.metadata(causes, obj, kind)
    kind.validate(causes, obj, old)
    return causes


def check(obj: Obj, type_: ResourceType, old: Obj | None = None, *, version: str = "") -> None:
    """As :func:`validate`, raising the ApiError 422 that a client receives."""
    causes = validate(obj, type_, old, version=version)
    if causes:
        raise refusal(obj, type_, causes)


def check_status(
    obj: Obj, type_: ResourceType, old: Obj, *, version: str = "", subresource: str = "status"
) -> None:
    """As :func:`check`, of what a write to a status, by way of *subresource*, can break."""
    causes = Causes()
    kind = catalogue.of(type_, version)
    meta.metadata(causes, obj, kind)
    kind.validate_status(causes, obj, old, subresource)
    if causes:
        raise refusal(obj, type_, causes)


def refusal(obj: Obj, type_: ResourceType, causes: list[Cause]) -> ApiError:
    """The 422 for *obj*."""
    return invalid(type_.kind, type_.group, obj.get("metadata", {}).get("name", ""), causes)


def validate_scale(obj: Obj) -> list[Cause]:
    """What is wrong with a Scale."""
    causes = Causes()
    workloads.scale(causes, obj, None)
    return causes
