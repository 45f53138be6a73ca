"""ConfigMaps."""

from __future__ import annotations

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, Row
from labkit.embedded.api.kinds.common.locks import check_locked
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj

_SIZE_LIMIT = 1024 * 1024


def _entries(row: Row) -> int:
    return len(row.obj.get("data") or {}) + len(row.obj.get("binaryData") or {})


def _validate(causes: Causes, obj: Obj, old: Obj | None) -> None:
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    for field, values in (("data", data), ("binaryData", binary)):
        for key in values:
            causes.invalid_each(f"{field}[{key}]", key, names.config_key(key))
    for key in data.keys() & binary.keys():
        causes.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    if sum(len(value.encode()) for value in (*data.values(), *binary.values())) > _SIZE_LIMIT:
        causes.too_long("[]", _SIZE_LIMIT)
    check_locked(causes, obj, old, ("data", "binaryData"))


CONFIG_MAP = Kind(
    ResourceType("", ("v1",), "ConfigMap", "configmaps", "configmap", short_names=("cm",)),
    columns=(NAME, Column("Data", _entries), AGE),
    validate=_validate,
    has_generation=False,
)
