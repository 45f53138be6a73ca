"""Deletion: preconditions, finalizers, propagation, and the grace period of pods.

The rules of ``rest.BeforeDelete`` and ``registry.Store.Delete``. Dependents are the garbage
collector's business; here only the finalizer that asks for it is recorded.
"""

from __future__ import annotations

from typing import Any

from labkit.embedded.api.objects import metadata
from labkit.embedded.api.request.options import FOREGROUND, ORPHAN, DeleteOptions
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj, is_terminating, mutable, name_of, uid_of
from labkit.embedded.status import ApiError, conflict, forbidden

_PROTECTED_NAMESPACES = ("default", "kube-system", "kube-public")
_DEFAULT_GRACE = 30
_WITHOUT_GRACE = ("namespaces", "customresourcedefinitions.apiextensions.k8s.io")
"""Kinds whose storage marks a deletion itself."""


def begin(kind: ResourceType, obj: Obj, options: DeleteOptions) -> Obj | None:
    """The marked copy of *obj* to store; *obj* itself where nothing changes; None to remove it now."""
    _check_preconditions(kind, obj, options)
    if kind.name == "namespaces" and name_of(obj) in _PROTECTED_NAMESPACES:
        raise forbidden(kind.name, name_of(obj), "this namespace may not be deleted")
    grace = _grace(kind, obj, options)
    finalizers = _finalizers(obj, options)
    if not grace and not finalizers and not _holds_namespace(kind, obj):
        return None
    return _marked(kind, obj, grace, finalizers)


def last_sight(kind: ResourceType, gone: Obj) -> Obj:
    """What the client is shown of an object that is removed at once; a pod has its grace period, of 0."""
    return _marked(kind, gone, 0, _kept_finalizers(gone)) if kind.name == "pods" else gone


def is_complete(kind: ResourceType, obj: Obj) -> bool:
    """Whether nothing keeps an object that is being deleted any more."""
    if not is_terminating(obj) or obj["metadata"].get("finalizers") or _holds_namespace(kind, obj):
        return False
    return not obj["metadata"].get("deletionGracePeriodSeconds")


def _check_preconditions(kind: ResourceType, obj: Obj, options: DeleteOptions) -> None:
    if options.uid and options.uid != uid_of(obj):
        raise _another(kind, obj, "UID", options.uid, uid_of(obj), "deleted and then recreated")
    found = obj["metadata"]["resourceVersion"]
    if options.resource_version and options.resource_version != found:
        raise _another(kind, obj, "ResourceVersion", options.resource_version, found, "modified")


def _another(kind: ResourceType, obj: Obj, what: str, wanted: str, found: str, perhaps: str) -> ApiError:
    why = (
        f"the {what} in the precondition ({wanted}) does not match the {what} in record ({found}). "
        f"The object might have been {perhaps}"
    )
    return conflict(f"{kind.kind}.{kind.group}".rstrip("."), name_of(obj), why)


def _grace(kind: ResourceType, obj: Obj, options: DeleteOptions) -> int:
    """Seconds the pod's kubelet gets; 0 for what ends at once. Never longer than already granted."""
    if kind.name != "pods":
        return 0
    spec: dict[str, Any] = obj.get("spec", {})
    started = spec.get("nodeName") and obj.get("status", {}).get("phase") not in ("Succeeded", "Failed")
    if not started:
        return 0
    grace = options.grace_seconds
    if grace is not None and grace < 0:
        grace = 1  # as the real server takes it
    if grace is None:
        grace = int(spec.get("terminationGracePeriodSeconds", _DEFAULT_GRACE))
    granted = obj["metadata"].get("deletionGracePeriodSeconds")
    return grace if granted is None else min(grace, int(granted))


def _finalizers(obj: Obj, options: DeleteOptions) -> list[str]:
    kept = _kept_finalizers(obj)
    return [*kept, options.finalizer] if options.finalizer else kept


def _kept_finalizers(obj: Obj) -> list[str]:
    return [each for each in obj["metadata"].get("finalizers") or () if each not in (FOREGROUND, ORPHAN)]


def _holds_namespace(kind: ResourceType, obj: Obj) -> bool:
    return kind.name == "namespaces" and bool(obj.get("spec", {}).get("finalizers"))


def _marked(kind: ResourceType, obj: Obj, grace: int, finalizers: list[str]) -> Obj:
    meta = obj["metadata"]
    already = is_terminating(obj) and meta.get("deletionGracePeriodSeconds", 0) == grace
    if already and (meta.get("finalizers") or []) == finalizers:
        return obj
    marked = mutable(obj)
    marked["metadata"].pop("finalizers", None)
    if finalizers:
        marked["metadata"]["finalizers"] = finalizers
    if not already:
        metadata.mark_deleted(marked, grace)
    if kind.name in _WITHOUT_GRACE:
        marked["metadata"].pop("deletionGracePeriodSeconds", None)
    if kind.name == "namespaces":
        marked.setdefault("status", {})["phase"] = "Terminating"
    return marked
