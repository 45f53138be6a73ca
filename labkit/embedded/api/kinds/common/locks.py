"""The field ``immutable`` of ConfigMaps and Secrets."""

from __future__ import annotations

from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.objects import Obj

_LOCKED = "field is immutable when `immutable` is set"


def check_locked(causes: Causes, obj: Obj, old: Obj | None, fields: tuple[str, ...]) -> None:
    if old is None or not old.get("immutable"):
        return
    if not obj.get("immutable"):
        causes.forbidden("immutable", _LOCKED)
    for field in fields:
        if (obj.get(field) or {}) != (old.get(field) or {}):
            causes.forbidden(field, _LOCKED)
