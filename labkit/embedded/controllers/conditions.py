"""Conditions keep their times for as long as they say the same, so that a status settles."""

from __future__ import annotations

from labkit.embedded.objects import Obj, condition_of, timestamp


def stamped(obj: Obj, condition: Obj) -> Obj:
    """*condition* (to be written to *obj*) with ``lastUpdateTime`` and ``lastTransitionTime``."""
    now = timestamp()
    before = condition_of(obj, condition["type"]) or {}
    same = all(before.get(field) == condition.get(field) for field in ("status", "reason", "message"))
    updated = condition.get("lastUpdateTime") or (before.get("lastUpdateTime") if same else None) or now
    return {**turned(obj, condition), "lastUpdateTime": updated}


def turned(obj: Obj, condition: Obj) -> Obj:
    """*condition* with the time its status last changed, for kinds that keep no other time."""
    before = condition_of(obj, condition["type"]) or {}
    since = before.get("lastTransitionTime") if before.get("status") == condition["status"] else None
    return {**condition, "lastTransitionTime": since or timestamp()}
