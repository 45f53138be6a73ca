"""StorageClasses: kept; there are no disks here."""

from __future__ import annotations

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, Column, Row
from labkit.embedded.api.kinds.common.fill import fill
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj, annotations_of

_DEFAULTS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)
_RECLAIMING, _BINDING = ("Delete", "Retain"), ("Immediate", "WaitForFirstConsumer")
_FIXED = ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode")


def _default(obj: Obj) -> None:
    fill(obj, reclaimPolicy="Delete", volumeBindingMode="Immediate")


def _validate(causes: Causes, obj: Obj, old: Obj | None) -> None:
    provisioner = obj.get("provisioner", "")
    if not provisioner:
        causes.required("provisioner")
    else:
        causes.invalid_each("provisioner", provisioner, names.qualified_name(provisioner.lower()))
    if obj["reclaimPolicy"] not in _RECLAIMING:
        causes.unsupported("reclaimPolicy", obj["reclaimPolicy"], _RECLAIMING)
    if obj["volumeBindingMode"] not in _BINDING:
        causes.unsupported("volumeBindingMode", obj["volumeBindingMode"], _BINDING)
    if old is None:
        return
    for key in _FIXED:
        if obj.get(key) != old.get(key):
            _changed(causes, key, obj.get(key))


def _changed(causes: Causes, key: str, value: object) -> None:
    if key == "volumeBindingMode":
        causes.invalid(key, value, "field is immutable")
    else:
        causes.forbidden(key, f"updates to {key} are forbidden.")


def _warnings(_obj: Obj, old: Obj | None) -> list[str]:
    return [] if old else ["provisioner: there are no disks in this lab, and nobody provides volumes"]


def _name(row: Row) -> str:
    is_default = any(annotations_of(row.obj).get(key) == "true" for key in _DEFAULTS)
    return f"{row.name} (default)" if is_default else row.name


STORAGE_CLASS = Kind(
    ResourceType(
        "storage.k8s.io",
        ("v1",),
        "StorageClass",
        "storageclasses",
        "storageclass",
        namespaced=False,
        short_names=("sc",),
    ),
    columns=(
        Column("Name", _name, format="name"),
        Column("Provisioner", lambda row: row.obj.get("provisioner", "")),
        Column("ReclaimPolicy", lambda row: row.obj.get("reclaimPolicy", "Delete")),
        Column("VolumeBindingMode", lambda row: row.obj.get("volumeBindingMode", "Immediate")),
        Column("AllowVolumeExpansion", lambda row: bool(row.obj.get("allowVolumeExpansion"))),
        AGE,
    ),
    default=_default,
    zero={"provisioner": ""},
    validate=_validate,
    warnings=_warnings,
    has_generation=False,
    shown_when_deleted=True,
)
