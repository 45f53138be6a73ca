"""PersistentVolumeClaims: kept; there are no disks here."""

from __future__ import annotations

from labkit.embedded.api.kinds.common import meta, names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, Row, wide
from labkit.embedded.api.kinds.common.fill import fill
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.kinds.volumes import check_modes, phase, shown_modes, storage_class, unset, warnings
from labkit.embedded.api.types.resources import ResourceType, status_of
from labkit.embedded.objects import Obj
from labkit.embedded.quantities import amount
from labkit.embedded.store import Store

_MODES = ("Block", "Filesystem")


def _default(obj: Obj) -> None:
    fill(obj.setdefault("spec", {}), volumeMode="Filesystem")


def _prepare_create(_: Store, obj: Obj) -> None:
    obj["status"] = {"phase": "Pending"}


def _validate(causes: Causes, obj: Obj, _old: Obj | None) -> None:
    spec = obj["spec"]
    check_modes(causes, "spec.accessModes", spec.get("accessModes") or [])
    if spec.get("selector") is not None:
        meta.selector(causes, "spec.selector", spec["selector"])
    size = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if size is None:
        causes.required("spec.resources[storage]")
    elif amount(size) <= 0:
        causes.invalid("spec.resources[storage]", size, "must be greater than zero")
    name = spec.get("storageClassName")
    if name:
        causes.invalid_each("spec.storageClassName", name, names.dns_subdomain(name))
    if spec["volumeMode"] not in _MODES:
        causes.unsupported("spec.volumeMode", spec["volumeMode"], _MODES)


def _capacity(row: Row) -> str:
    return str((row.status.get("capacity") or {}).get("storage", "0")) if row.spec.get("volumeName") else ""


def _modes(row: Row) -> str:
    return shown_modes(row.status.get("accessModes")) if row.spec.get("volumeName") else ""


PERSISTENT_VOLUME_CLAIM = Kind(
    ResourceType(
        "",
        ("v1",),
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        "persistentvolumeclaim",
        short_names=("pvc",),
        subresources=(status_of("PersistentVolumeClaim"),),
    ),
    columns=(
        NAME,
        Column("Status", phase),
        Column("Volume", lambda row: row.spec.get("volumeName", "")),
        Column("Capacity", _capacity),
        Column("Access Modes", _modes),
        Column("StorageClass", storage_class),
        Column("VolumeAttributesClass", lambda row: unset(row, "volumeAttributesClassName")),
        AGE,
        wide("VolumeMode", lambda row: unset(row, "volumeMode")),
    ),
    default=_default,
    zero={"spec": {"resources": {}}, "status": {}},
    prepare_create=_prepare_create,
    validate=_validate,
    warnings=warnings,
    has_generation=False,
    shown_when_deleted=True,
)
