"""CustomResourceDefinitions: what they are completed to, and when they are refused.

What is served of them is in :mod:`~labkit.embedded.api.kinds.custom`, when in
:mod:`~labkit.embedded.api.objects.definitions`.
"""

from __future__ import annotations

from labkit.embedded.api.kinds.common.fill import fill
from labkit.embedded.api.kinds.crds import conversion, naming
from labkit.embedded.api.kinds.crds.validation import validate, warnings
from labkit.embedded.api.kinds.custom import EVERY_METADATA
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType, status_of
from labkit.embedded.objects import Obj
from labkit.embedded.store import Store

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer of every definition: its objects go first."""


def _default(obj: Obj) -> None:
    """``SetDefaults_CustomResourceDefinition``, and the storage version's place in the status."""
    spec = obj.setdefault("spec", {})
    names = spec.setdefault("names", {})
    fill(names, singular=str(names.get("kind", "")).lower())
    if names.get("kind"):
        fill(names, listKind=f"{names['kind']}List")
    for version in spec.get("versions") or ():
        version.setdefault("name", "")
        version.setdefault("served", False)
        version.setdefault("storage", False)
    conversion.default(spec)


def _stored(spec: Obj) -> list[str]:
    return [each["name"] for each in spec.get("versions") or () if each.get("storage")][:1]


_UNKNOWN: Obj = {"kind": "", "plural": ""}


def _prepare_create(_store: Store, obj: Obj) -> None:
    status = {"conditions": None, "acceptedNames": dict(_UNKNOWN), "storedVersions": _stored(obj["spec"])}
    obj["status"] = status
    if obj["spec"].get("preserveUnknownFields") is False:
        del obj["spec"]["preserveUnknownFields"]


def _prepare_update(_store: Store, obj: Obj, old: Obj) -> None:
    kept = old["status"].get("storedVersions") or []
    stored = [*kept, *(each for each in _stored(obj["spec"]) if each not in kept)]
    if stored != kept:
        obj["status"] = {**old["status"], "storedVersions": stored}


def _begin_deletion(obj: Obj) -> None:
    finalizers = obj["metadata"].get("finalizers") or []
    if CLEANUP not in finalizers:
        obj["metadata"]["finalizers"] = [*finalizers, CLEANUP]
    obj["status"] = naming.terminating(obj, "InstanceDeletionPending", _PENDING)


_PENDING = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"

DEFINITION = Kind(
    ResourceType(
        "apiextensions.k8s.io",
        ("v1",),
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "customresourcedefinition",
        namespaced=False,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        subresources=(status_of("CustomResourceDefinition"),),
    ),
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    validate=validate,
    warnings=warnings,
    free_finalizers=True,
    begin_deletion=_begin_deletion,
    metadata_of_status=EVERY_METADATA,
)
RESOURCE = DEFINITION.type.name
