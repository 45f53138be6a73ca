"""What PersistentVolumes and their claims have in common."""

from __future__ import annotations

from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import Row
from labkit.embedded.objects import Obj, annotations_of

MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}
_CLASS = "volume.beta.kubernetes.io/storage-class"


def check_modes(causes: Causes, at: str, modes: list[str]) -> None:
    """Access modes: at least one, and what goes with no other alone."""
    if not modes:
        causes.required(at, "at least 1 access mode is required")
    for each in modes:
        if each not in MODES:
            causes.unsupported(at, each, sorted(MODES))
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        detail = "may not use ReadWriteOncePod with other access modes"
        causes.forbidden(at, detail)


def shown_modes(modes: list[str] | None) -> str:
    """``RWO,ROX``."""
    return ",".join(short for mode, short in MODES.items() if mode in (modes or ()))


def storage_class(row: Row) -> str:
    """The name of its class."""
    found: str = annotations_of(row.obj).get(_CLASS) or row.spec.get("storageClassName") or ""
    return found


def phase(row: Row) -> str:
    """Its phase; Terminating while it is being deleted."""
    return "Terminating" if row.meta.get("deletionTimestamp") else str(row.status.get("phase", ""))


def unset(row: Row, key: str) -> str:
    """A field of its spec, where it is said."""
    return str(row.spec.get(key, "<unset>"))


NO_DISKS = "spec: there are no disks in this lab: it is kept, and nothing of it is ever bound or mounted"


def warnings(_obj: Obj, old: Obj | None) -> list[str]:
    """What the author of either should hear."""
    return [] if old else [NO_DISKS]
