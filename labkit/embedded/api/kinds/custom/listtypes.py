"""Lists of type ``set`` and ``map`` hold nothing twice, as k8s.io/apiextensions-apiserver's ``listtype``."""

from __future__ import annotations

from typing import Any

from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.types import golang
from labkit.embedded.api.types.schemas import Schema


def check_unique(causes: Causes, path: str, value: Any, schema: Schema) -> None:
    """Add what stands twice in *value* or anywhere below it."""
    if isinstance(value, list):
        _check_list(causes, path, value, schema)
    elif isinstance(value, dict):
        known, extra = schema.get("properties") or {}, schema.get("additionalProperties")
        for key, each in value.items():
            if isinstance(extra, dict):
                check_unique(causes, f"{path}[{key}]", each, extra)
            if key in known:
                check_unique(causes, f"{path}.{key}" if path else key, each, known[key])


def _check_list(causes: Causes, path: str, value: list[Any], schema: Schema) -> None:
    kind = schema.get("x-kubernetes-list-type")
    keys = schema.get("x-kubernetes-list-map-keys") or []
    if kind == "set":
        for index in _doubles(value):
            causes.duplicate(f"{path}[{index}]", value[index])
    elif kind == "map":
        found = [_key(each, keys) for each in value]
        for index in _doubles(found):
            causes.duplicate(f"{path}[{index}]", found[index])
    items = schema.get("items")
    if isinstance(items, dict):
        for index, each in enumerate(value):
            check_unique(causes, f"{path}[{index}]", each, items)


def _key(item: Any, keys: list[str]) -> dict[str, Any]:
    return {key: item[key] for key in keys if key in item} if isinstance(item, dict) else {}


def _doubles(values: list[Any]) -> list[int]:
    """Where a value stands for the second time."""
    seen: dict[str, int] = {}
    found = []
    for index, value in enumerate(values):
        shown = golang.compact(value)
        seen[shown] = seen.get(shown, 0) + 1
        if seen[shown] == 2:
            found.append(index)
    return found
