"""Which part of an old object a part of the new one was: by key in maps and in lists of type ``map``."""

from __future__ import annotations

from typing import Any

from labkit.embedded.api.types.schemas import Schema

MISSING: Any = object()
"""Stands for a value that was not there, or can't be told."""


def inner(old: Any, key: str) -> Any:
    """What stood at *key*."""
    return old.get(key, MISSING) if isinstance(old, dict) else MISSING


def item_of(old: Any, item: Any, schema: Schema) -> Any:
    """The item of the list *old* with the same keys as *item*."""
    if not isinstance(old, list) or schema.get("x-kubernetes-list-type") != "map":
        return MISSING
    keys = schema.get("x-kubernetes-list-map-keys") or []
    wanted = _key(item, keys)
    return next((each for each in old if _key(each, keys) == wanted), MISSING)


def _key(item: Any, keys: list[str]) -> list[Any]:
    return [item.get(key) if isinstance(item, dict) else None for key in keys]
