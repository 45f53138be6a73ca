"""Custom resources: their columns, and what their CustomResourceDefinition's schema says against them.

What kube-openapi's validator and the CEL rules say, in their words; see
``k8s.io/apiextensions-apiserver/pkg/apiserver/validation``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import partial
from operator import attrgetter
from typing import Any

from labkit.embedded.api.kinds.common import cel
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import NAME, Column
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types import golang
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.api.types.schemas import Schema, schema_of
from labkit.embedded.objects import Obj

_BLOCKING = {
    f"FieldValue{each}" for each in ("NotSupported", "Required", "TooLong", "TooMany", "TypeInvalid")
}
_UNCHECKED = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)
_NOWHERE = "<nil>"
_AGE = Column("Age", attrgetter("age"), "date", path=".metadata.creationTimestamp")
EVERY_METADATA = ("labels", "annotations", "finalizers", "ownerReferences", "generateName")


def custom_kind(type_: ResourceType, columns: Iterable[tuple[str, str]] = (("Age", ""),)) -> Kind:
    """The kind of a CustomResourceDefinition; *columns* (name, path; Age has none) follow its name."""
    own = (_column(name, path) if path else _AGE for name, path in columns)
    return Kind(
        type_,
        columns=(NAME, *own),
        validate=partial(_validate, type_),
        metadata_of_status=EVERY_METADATA,
    )


def _column(name: str, path: str) -> Column:
    return Column(name, lambda row: _value(row.obj, path), path=path)


def _value(obj: Obj, path: str) -> Any:
    """What an additional printer column shows; ``None`` (an empty cell) where unset."""
    value: Any = obj
    for key in path.strip(".").split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _validate(type_: ResourceType, causes: Causes, obj: Obj, _old: Obj | None) -> None:
    """All of *obj* but its header."""
    schema = schema_of(type_)
    content = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata")}
    found = Causes()
    _check(found, "", content, schema)
    if any(reason in _BLOCKING for _, reason, _ in found):
        found.invalid(_NOWHERE, None, _UNCHECKED)
    else:
        _rules(found, "", content, schema)
    causes.extend(found)


def _check(causes: Causes, path: str, value: Any, schema: Schema) -> None:
    if not _has_type(value, schema):
        wanted = _types(schema)
        found = _type_of(value)
        detail = f'{path} in body must be of type {",".join(wanted)}: "{found}"'
        causes.type_invalid(path or _NOWHERE, found, detail)
        return
    if value is None:
        return
    _check_choices(causes, path, value, schema)
    if "enum" in schema and value not in schema["enum"]:
        causes.unsupported(path, value, schema["enum"])
    if isinstance(value, dict):
        _check_map(causes, path, value, schema)
    elif isinstance(value, list):
        _check_list(causes, path, value, schema)
    elif isinstance(value, str):
        _check_string(causes, path, value, schema)
    else:
        _check_number(causes, path, value, schema)


def _types(schema: Schema) -> list[str]:
    if schema.get("x-kubernetes-int-or-string"):
        return ["integer", "string"]
    return [schema["type"]] if "type" in schema else []


def _type_of(value: Any) -> str:
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    found = golang.json_type(value)
    return {"bool": "boolean", "number": "integer"}.get(found, found)


def _has_type(value: Any, schema: Schema) -> bool:
    wanted, found = _types(schema), _type_of(value)
    if value is None:
        return not wanted or bool(schema.get("nullable"))
    return not wanted or found in wanted or (found == "integer" and "number" in wanted)


def _check_map(causes: Causes, path: str, value: Obj, schema: Schema) -> None:
    for name in schema.get("required", ()):
        if name not in value:
            causes.required(_join(path, name))
    most = schema.get("maxProperties")
    if most is not None and len(value) > most:
        causes.too_many(path, len(value), most)
    for key, each in value.items():
        known = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
        if isinstance(known, dict) and not (not path and key == "metadata"):
            _check(causes, _join(path, key), each, known)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _check_list(causes: Causes, path: str, value: list[Any], schema: Schema) -> None:
    if len(value) < schema.get("minItems", 0):
        causes.invalid(path, len(value), f"{path} in body should have at least {schema['minItems']} items")
    if len(value) > schema.get("maxItems", len(value)):
        causes.too_many(path, len(value), schema["maxItems"])
    for index, each in enumerate(value):
        _check(causes, f"{path}[{index}]", each, schema.get("items", {}))


def _check_string(causes: Causes, path: str, value: str, schema: Schema) -> None:
    if len(value) < schema.get("minLength", 0):
        causes.invalid(path, value, f"{path} in body should be at least {schema['minLength']} chars long")
    if len(value) > schema.get("maxLength", len(value)):
        causes.too_long(path, schema["maxLength"])
    if "pattern" in schema and not re.search(schema["pattern"], value):
        causes.invalid(path, value, f"{path} in body should match '{schema['pattern']}'")


_BITS = {"int32": 31, "int64": 63}


def _check_number(causes: Causes, path: str, value: float, schema: Schema) -> None:
    kind, format_ = schema.get("type"), schema.get("format", "")
    bits = _BITS.get(format_, 63)
    if kind == "integer" and not -(1 << bits) <= value < 1 << bits:
        described = f"with format {format_}" if format_ else "(default format)"
        detail = f"Checked value must be of type integer {described} in {path}"
        causes.invalid(_NOWHERE, "", detail)
    least, most = schema.get("minimum", value), schema.get("maximum", value)
    if value < least:
        causes.invalid(
            path, value, f"{path} in body should be greater than or equal to {golang.value(least)}"
        )
    if value > most:
        causes.invalid(path, value, f"{path} in body should be less than or equal to {golang.value(most)}")


def _is_valid(value: Any, schema: Schema) -> bool:
    found = Causes()
    _check(found, ".", value, schema)
    return not found


def _check_choices(causes: Causes, path: str, value: Any, schema: Schema) -> None:
    """``oneOf``, ``anyOf``, ``allOf`` and ``not``."""
    shown = golang.quoted(path)
    if "oneOf" in schema:
        valid = sum(_is_valid(value, each) for each in schema["oneOf"])
        if valid != 1:
            counted = "Found none valid" if not valid else f"Found {valid} valid alternatives"
            causes.invalid(_NOWHERE, "", f"{shown} must validate one and only one schema (oneOf). {counted}")
    if "anyOf" in schema and not any(_is_valid(value, each) for each in schema["anyOf"]):
        causes.invalid(_NOWHERE, "", f"{shown} must validate at least one schema (anyOf)")
    if "allOf" in schema and not all(_is_valid(value, each) for each in schema["allOf"]):
        causes.invalid(_NOWHERE, "", f"{shown} must validate all the schemas (allOf)")
    if "not" in schema and _is_valid(value, schema["not"]):
        causes.invalid(_NOWHERE, "", f"{shown} must not validate the schema (not)")


def _rules(causes: Causes, path: str, value: Any, schema: Schema) -> None:
    """The CEL rules of *schema* and everything in it."""
    if value is None:
        return
    for rule in schema.get("x-kubernetes-validations", ()):
        message = rule.get("message") or f"failed rule: {rule['rule']}"
        kind = schema.get("type", "")
        try:
            if not cel.holds(rule["rule"], value):
                causes.invalid(path, kind, message)
        except cel.EvaluationError as error:
            causes.invalid(path, kind, f"{error} evaluating rule: {message}")
    if isinstance(value, list):
        for index, each in enumerate(value):
            _rules(causes, f"{path}[{index}]", each, schema.get("items", {}))
    elif isinstance(value, dict):
        for key, each in value.items():
            known = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
            if isinstance(known, dict):
                _rules(causes, _join(path, key), each, known)
