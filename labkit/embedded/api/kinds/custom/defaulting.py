"""Defaults of a structural schema: ``schema/defaulting`` of k8s.io/apiextensions-apiserver."""

from __future__ import annotations

from typing import Any

from labkit.embedded.api.types.schemas import Schema
from labkit.embedded.objects import Obj, mutable


def fill(obj: Obj, schema: Schema) -> None:
    """Set in *obj* what it leaves out and *schema* has a default for."""
    if _has_defaults(schema):
        _fill(obj, schema)


def _fill(value: Any, schema: Schema) -> None:
    if isinstance(value, dict):
        _fill_map(value, schema)
    elif isinstance(value, list):
        items = schema.get("items") or {}
        for index, each in enumerate(value):
            if each is None and not items.get("nullable") and "default" in items:
                value[index] = _copied(items["default"])
            _fill(value[index], items)


def _fill_map(value: Obj, schema: Schema) -> None:
    known = schema.get("properties") or {}
    for key, inner in known.items():
        absent = key not in value or (value[key] is None and not inner.get("nullable"))
        if absent and inner.get("default") is not None:
            value[key] = _copied(inner["default"])
    extra = schema.get("additionalProperties")
    for key, each in value.items():
        inner = known.get(key, extra)
        if isinstance(inner, dict):
            _fill(each, inner)


def _copied(value: Any) -> Any:
    return mutable({"": value})[""]


def _has_defaults(schema: Schema) -> bool:
    """Most schemas have none, and then no object needs to be walked through."""
    if _KNOWN not in schema:
        schema[_KNOWN] = _looks_for_default(schema)
    return bool(schema[_KNOWN])


_KNOWN = "x-labkit-has-defaults"


def _looks_for_default(schema: Schema) -> bool:
    if schema.get("default") is not None:
        return True
    inner = [
        *(schema.get("properties") or {}).values(),
        schema.get("items"),
        schema.get("additionalProperties"),
    ]
    return any(isinstance(each, dict) and _looks_for_default(each) for each in inner)
