"""Sets of fields, the language of ``managedFields``.

A field is a path of elements in the notation of ``fieldsV1``: ``f:spec``, ``f:containers``,
``k:{"name":"web"}`` for an item of a keyed list, ``v:"x"`` for a member of a set. A set of fields
is a Python set of such tuples. The rules (what is a leaf, what a change touches) are those of
sigs.k8s.io/structured-merge-diff.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from labkit.embedded.api.types import golang
from labkit.embedded.api.types.schemas import Schema
from labkit.embedded.objects import Obj

Path: TypeAlias = tuple[str, ...]
FieldSet: TypeAlias = set[Path]

MISSING: Any = object()
"""Stands for a value that is not there; ``None`` is JSON's null."""


def encode(fields: FieldSet) -> Obj:
    """*fields* as ``fieldsV1``."""
    tree: Obj = {}
    for path in fields:
        node = tree
        for element in path:
            node = node.setdefault(element, {})
        node["."] = {}
    return _sorted_without_lone_dots(tree)


def _sorted_without_lone_dots(node: Obj) -> Obj:
    if len(node) == 1 and "." in node:
        return {}
    return {key: _sorted_without_lone_dots(node[key]) if key != "." else {} for key in sorted(node)}


def decode(tree: Obj) -> FieldSet:
    """The set a ``fieldsV1`` stands for."""
    return set(_members(tree, ()))


def _members(node: Obj, path: Path) -> Iterator[Path]:
    for element, child in node.items():
        if element == ".":
            yield path
        elif child:
            yield from _members(child, (*path, element))
        else:
            yield (*path, element)


def show(path: Path) -> str:
    """``.spec.containers[name="web"].image``, as conflicts name a field."""
    return "".join(_show_element(element) for element in path)


def _show_element(element: str) -> str:
    kind, text = element[:2], element[2:]
    if kind == "k:":
        pairs = json.loads(text).items()
        return "[" + ",".join(f"{key}={golang.compact(value)}" for key, value in pairs) + "]"
    if kind == "i:":
        return f"[{text}]"
    return f".{text}" if kind == "f:" else f"[={text}]"


def is_atomic(schema: Schema, *values: Any) -> bool:
    """Whether a list or map is owned as a whole; so is a list where *schema* tells of none."""
    if "items" not in schema and any(isinstance(each, list) for each in values):
        return True
    if schema.get("type") == "array" or "items" in schema:
        return bool(schema.get("x-kubernetes-list-type", "atomic") == "atomic")
    return bool(schema.get("x-kubernetes-map-type") == "atomic")


def child_schema(schema: Schema, key: str) -> Schema:
    """The schema of one field or map entry; empty where nothing is declared."""
    found = schema.get("properties", {}).get(key) or schema.get("additionalProperties")
    return found if isinstance(found, dict) else {}


def item_element(item: Any, schema: Schema) -> str:
    """The path element of an item of a keyed list or a set; ValueError where it has no key."""
    if schema.get("x-kubernetes-list-type") == "set":
        return f"v:{golang.compact(item)}"
    keys, fields = schema.get("x-kubernetes-list-map-keys", []), schema["items"].get("properties", {})
    if not isinstance(item, dict):
        raise ValueError("associative list with keys may not have non-map elements")
    found = {key: item.get(key) or fields.get(key, {}).get("default", item.get(key)) for key in keys}
    found = {key: value for key, value in found.items() if value is not None}
    if not found:
        quoted = " ".join(golang.quoted(key) for key in keys)
        raise ValueError(
            f"associative list with keys has an element that omits all key fields [{quoted}] "
            "(and doesn't have default values for any key fields)"
        )
    return f"k:{golang.compact(found)}"


def fields_of(value: Any, schema: Schema, path: Path = ()) -> FieldSet:
    """Every leaf and list item *value* mentions."""
    if isinstance(value, dict) and not is_atomic(schema):
        return _fields_of_map(value, schema, path)
    if isinstance(value, list) and not is_atomic(schema, value):
        found: FieldSet = set()
        for item in value:
            element = (*path, item_element(item, schema))
            found |= fields_of(item, schema.get("items", {}), element) | {element}
        return found
    return {path}


def _fields_of_map(value: Obj, schema: Schema, path: Path) -> FieldSet:
    found: FieldSet = set()
    declared = schema.get("properties", {})
    for key, each in value.items():
        element = (*path, f"f:{key}")
        found |= fields_of(each, child_schema(schema, key), element)
        if each is None or each == {} or key not in declared:
            found.add(element)
    return found


def with_named_parents(fields: FieldSet, schema: Schema) -> FieldSet:
    """*fields* and each declared field on the way to one of them."""
    found = set(fields)
    seen: dict[Path, Schema] = {(): schema}
    for path in fields:
        for depth in range(1, len(path)):
            prefix = path[:depth]
            if prefix in seen:
                continue
            parent, element = seen[prefix[:-1]], prefix[-1]
            seen[prefix] = _descend(parent, element)
            if element.startswith("f:") and element[2:] in parent.get("properties", {}):
                found.add(prefix)
    return found


def _descend(schema: Schema, element: str) -> Schema:
    items: Schema = schema.get("items", {})
    return child_schema(schema, element[2:]) if element.startswith("f:") else items


@dataclass
class Comparison:
    """What changed from one value to another. No path is in two of the sets."""

    removed: FieldSet = field(default_factory=set)
    modified: FieldSet = field(default_factory=set)
    added: FieldSet = field(default_factory=set)

    @property
    def touched(self) -> FieldSet:
        return self.modified | self.added

    def without(self, prefixes: tuple[Path, ...]) -> Comparison:
        """Without the fields under *prefixes*."""
        parts = (self.removed, self.modified, self.added)
        return Comparison(*(outside(part, prefixes) for part in parts))


def outside(fields: FieldSet, prefixes: tuple[Path, ...]) -> FieldSet:
    """The *fields* that are not under any of *prefixes*."""
    return {path for path in fields if not any(path[: len(each)] == each for each in prefixes)}


def compare(old: Any, new: Any, schema: Schema) -> Comparison:
    """The fields that differ between *old* and *new*."""
    result = Comparison()
    _compare(old, new, schema, (), result)
    return result


def _compare(old: Any, new: Any, schema: Schema, path: Path, result: Comparison) -> None:
    if old is not MISSING and old == new:
        return
    containers = tuple(type(each) for each in (old, new) if isinstance(each, (dict, list)))
    empty = not any(each for each in (old, new) if isinstance(each, (dict, list)))
    if not containers or empty or is_atomic(schema, old, new) or len(set(containers)) > 1:
        _compare_leaf(old, new, path, result)
        return
    if containers[0] is dict:
        _compare_maps(_or_empty(old, dict), _or_empty(new, dict), schema, path, result)
    else:
        _compare_lists(_or_empty(old, list), _or_empty(new, list), schema, path, result)
    if old is MISSING:
        result.added.add(path)
    elif new is MISSING:
        result.removed.add(path)


def _or_empty(value: Any, kind: type) -> Any:
    return value if isinstance(value, kind) else kind()


def _compare_leaf(old: Any, new: Any, path: Path, result: Comparison) -> None:
    target = result.added if old is MISSING else result.removed if new is MISSING else result.modified
    target.add(path)


def _compare_maps(old: Obj, new: Obj, schema: Schema, path: Path, result: Comparison) -> None:
    for key in old.keys() | new.keys():
        before, after = old.get(key, MISSING), new.get(key, MISSING)
        _compare(before, after, child_schema(schema, key), (*path, f"f:{key}"), result)


def _compare_lists(old: list[Any], new: list[Any], schema: Schema, path: Path, result: Comparison) -> None:
    before, after = _by_element(old, schema), _by_element(new, schema)
    for element in before.keys() | after.keys():
        left, right = before.get(element, []), after.get(element, [])
        if max(len(left), len(right)) > 1:  # a key given twice is owned as one leaf
            if left != right:
                _compare_leaf(left or MISSING, right or MISSING, (*path, element), result)
            continue
        one, other = (each[0] if each else MISSING for each in (left, right))
        _compare(one, other, schema.get("items", {}), (*path, element), result)


def _by_element(items: list[Any], schema: Schema) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for item in items:
        found.setdefault(item_element(item, schema), []).append(item)
    return found
