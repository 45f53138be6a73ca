"""PersistentVolumes: kept; there are no disks here."""

from __future__ import annotations

from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, Row, wide
from labkit.embedded.api.kinds.common.fill import fill
from labkit.embedded.api.kinds.common.resources import check_amount
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.kinds.volumes import check_modes, phase, shown_modes, storage_class, unset, warnings
from labkit.embedded.api.types.resources import ResourceType, status_of
from labkit.embedded.objects import Obj, timestamp
from labkit.embedded.store import Store

_POLICIES = ("Delete", "Recycle", "Retain")
_PLAIN = (
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
)
"""The fields of a spec that are no source."""


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, persistentVolumeReclaimPolicy="Retain", volumeMode="Filesystem")
    if spec.get("hostPath"):
        spec["hostPath"].setdefault("type", "")


def _prepare_create(_: Store, obj: Obj) -> None:
    obj["status"] = {"phase": "Pending", "lastPhaseTransitionTime": timestamp()}


def _validate(causes: Causes, obj: Obj, old: Obj | None) -> None:
    spec = obj["spec"]
    check_modes(causes, "spec.accessModes", spec.get("accessModes") or [])
    capacity = spec.get("capacity") or {}
    if not capacity:
        causes.required("spec.capacity")
    if "storage" not in capacity or len(capacity) > 1:
        causes.unsupported("spec.capacity", capacity or None, ("storage",))
    for name, value in capacity.items():
        check_amount(causes, f"spec.capacity[{name}]", value)
    if spec["persistentVolumeReclaimPolicy"] not in _POLICIES:
        at = "spec.persistentVolumeReclaimPolicy"
        causes.unsupported(at, spec["persistentVolumeReclaimPolicy"], _POLICIES)
    sources = [key for key in spec if key not in _PLAIN]
    if not sources:
        causes.required("spec", "must specify a volume type")
    for each in sources[1:]:
        causes.forbidden(f"spec.{each}", "may not specify more than 1 volume type")
    if old is not None and [spec.get(key) for key in sources] != [old["spec"].get(key) for key in sources]:
        causes.forbidden(
            "spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation"
        )


def _claim(row: Row) -> str:
    reference = row.spec.get("claimRef")
    return f"{reference.get('namespace', '')}/{reference.get('name', '')}" if reference else ""


PERSISTENT_VOLUME = Kind(
    ResourceType(
        "",
        ("v1",),
        "PersistentVolume",
        "persistentvolumes",
        "persistentvolume",
        namespaced=False,
        short_names=("pv",),
        subresources=(status_of("PersistentVolume"),),
    ),
    columns=(
        NAME,
        Column("Capacity", lambda row: (row.spec.get("capacity") or {}).get("storage", "0")),
        Column("Access Modes", lambda row: shown_modes(row.spec.get("accessModes"))),
        Column("Reclaim Policy", lambda row: row.spec.get("persistentVolumeReclaimPolicy", "")),
        Column("Status", phase),
        Column("Claim", _claim),
        Column("StorageClass", storage_class),
        Column("VolumeAttributesClass", lambda row: unset(row, "volumeAttributesClassName")),
        Column("Reason", lambda row: row.status.get("reason", "")),
        AGE,
        wide("VolumeMode", lambda row: unset(row, "volumeMode")),
    ),
    default=_default,
    zero={"spec": {}, "status": {}},
    prepare_create=_prepare_create,
    validate=_validate,
    warnings=warnings,
    has_generation=False,
    shown_when_deleted=True,
)
