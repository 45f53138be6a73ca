"""The value side of server-side apply: lay one object over another, take fields away.

Both return new values and share what they leave alone. The order of keyed lists follows the
applied object for the items it names and the live object for the rest.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from labkit.embedded.api.merge.fieldsets import (
    MISSING,
    FieldSet,
    child_schema,
    encode,
    is_atomic,
    item_element,
)
from labkit.embedded.api.types.schemas import Schema
from labkit.embedded.objects import Obj


def merge(live: Any, applied: Any, schema: Schema) -> Any:
    """*live* with everything *applied* mentions; nothing is removed."""
    if applied is MISSING:
        return live
    if live is MISSING or is_atomic(schema, live, applied):
        return applied
    if applied is None:
        return live if isinstance(live, (dict, list)) else None
    if isinstance(live, dict) and isinstance(applied, dict):
        return _merge_maps(live, applied, schema)
    if isinstance(live, list) and isinstance(applied, list):
        return _merge_lists(live, applied, schema)
    return applied


def _merge_maps(live: Obj, applied: Obj, schema: Schema) -> Obj:
    merged = dict(live)
    for key, value in applied.items():
        kept = merge(live.get(key, MISSING), value, child_schema(schema, key))
        merged[key] = kept
    return merged


def _merge_lists(live: list[Any], applied: list[Any], schema: Schema) -> list[Any]:
    theirs = [(item_element(item, schema), item) for item in live]
    ours = {item_element(item, schema): item for item in applied}
    known, items = dict(theirs), schema.get("items", {})
    return [
        merge(known.get(element, MISSING), ours.get(element, MISSING), items)
        for element in _merged_order([element for element, _ in theirs], list(ours))
    ]


def _merged_order(theirs: list[str], ours: list[str]) -> list[str]:
    """Items only one side has stand where that side has them; for shared ones *ours* decides."""
    order: list[str] = []
    mine, known = set(ours), set(theirs)
    pending, shared = deque(ours), deque(element for element in ours if element in known)
    for element in theirs:
        if element not in mine:
            order.append(element)
        elif shared and element == shared[0]:
            shared.popleft()
            while (passed := pending.popleft()) != element:
                order.append(passed)
            order.append(element)
    return [*order, *pending]


def remove(value: Any, fields: FieldSet, schema: Schema) -> Any:
    """*value* without *fields* (and what lies under them)."""
    return _remove(value, encode(fields), schema) if fields else value


def _remove(value: Any, tree: Obj, schema: Schema) -> Any:
    if not tree or is_atomic(schema, value):
        return value
    if isinstance(value, dict):
        return _remove_from_map(value, tree, schema)
    if isinstance(value, list):
        return _remove_from_list(value, tree, schema)
    return value


def _is_member(node: Obj | None) -> bool:
    return node is not None and (not node or "." in node)


def _remove_from_map(value: Obj, tree: Obj, schema: Schema) -> Obj:
    kept: Obj = {}
    for key, each in value.items():
        node = tree.get(f"f:{key}")
        if _is_member(node):
            continue
        left = _remove(each, node, child_schema(schema, key)) if node else each
        if left or not node:
            kept[key] = left
    return kept


def _remove_from_list(value: list[Any], tree: Obj, schema: Schema) -> list[Any]:
    kept = []
    for item in value:
        node = tree.get(item_element(item, schema))
        if not _is_member(node):
            kept.append(_remove(item, node, schema.get("items", {})) if node else item)
    return kept
