"""Is an object one the cluster can work with? The checks of ``k8s.io/kubernetes/pkg/apis/*/validation``.

They run on complete objects: decoded, defaulted, past admission. Only what this cluster can make
anything of is checked; Istio's kinds are checked against their CustomResourceDefinition here, and
by istiod's own rules in the mesh's validation.
"""

from __future__ import annotations

from collections.abc import Callable

from labkit.embedded.api.kinds.validation import config, custom, meta, pods, services, workloads
from labkit.embedded.api.kinds.validation.causes import Cause, Causes
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj
from labkit.embedded.status import ApiError, invalid

__all__ = ["Cause", "check", "refusal", "validate", "validate_scale"]

_RBAC = "rbac.authorization.k8s.io"
_BY_TYPE: dict[str, Callable[[Causes, Obj, Obj | None], None]] = {
    "pods": pods.pod,
    "deployments.apps": workloads.deployment,
    "replicasets.apps": workloads.replica_set,
    "services": services.service,
    "endpoints": services.endpoints,
    "endpointslices.discovery.k8s.io": services.endpoint_slice,
    "configmaps": config.config_map,
    "secrets": config.secret,
    "events": config.event,
    "leases.coordination.k8s.io": config.lease,
    f"roles.{_RBAC}": config.role,
    f"clusterroles.{_RBAC}": config.role,
    f"rolebindings.{_RBAC}": config.role_binding,
    f"clusterrolebindings.{_RBAC}": config.role_binding,
}


def validate(obj: Obj, type_: ResourceType, old: Obj | None = None) -> list[Cause]:
    """What is wrong with *obj* (storage form), which replaces *old* if given; nothing if empty."""
    causes = Causes()
    meta.metadata(causes, obj, type_)
    if type_.custom:
        custom.custom_object(causes, obj, type_)
    elif check_kind := _BY_TYPE.get(type_.stored_as):
        check_kind(causes, obj, old)
    return causes


def check(obj: Obj, type_: ResourceType, old: Obj | None = None) -> None:
    """As :func:`validate`, raising the ApiError 422 that a client receives."""
    causes = validate(obj, type_, old)
    if causes:
        raise refusal(obj, type_, causes)


def check_metadata(obj: Obj, type_: ResourceType) -> None:
    """As :func:`check`, of metadata alone: all a write to a status can break."""
    causes = Causes()
    meta.metadata(causes, obj, type_)
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
