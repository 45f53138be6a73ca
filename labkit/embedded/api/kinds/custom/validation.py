"""What the schema of a CustomResourceDefinition says against an object.

What kube-openapi's validator and the CEL rules say, in their words; see
``k8s.io/apiextensions-apiserver/pkg/apiserver/validation``. What an update leaves as it was is not held
against it ("ratcheting"), as far as the old value can be told.
"""

from __future__ import annotations

from typing import Any

import re2

from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.custom import embedded, formats, rules, scaling
from labkit.embedded.api.kinds.custom.correlation import MISSING, inner, item_of
from labkit.embedded.api.kinds.custom.listtypes import check_unique
from labkit.embedded.api.types import golang
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.api.types.schemas import Schema, own_schema
from labkit.embedded.objects import Obj

_BLOCKING = {
    f"FieldValue{each}" for each in ("NotSupported", "Required", "TooLong", "TooMany", "TypeInvalid")
}
_UNCHECKED = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)
NOWHERE = "<nil>"
_HEADER = ("apiVersion", "kind", "metadata")


def validate(type_: ResourceType, version: str, causes: Causes, obj: Obj, old: Obj | None) -> None:
    """All of *obj* but its header."""
    schema = _without_header(own_schema(type_, version))
    content, before = _content(obj), MISSING if old is None else _content(old)
    found = Causes()
    check(found, "", content, schema, before)
    scaling.check_spec(found, type_, version, obj)
    scaling.check_status(found, type_, version, obj)
    embedded.check(found, "", content, schema)
    if old is None or not _unique(before, schema):
        check_unique(found, "", content, schema)
    _check_rules(found, content, schema, before, _whole(type_, version, obj), old)
    causes.extend(found)


def _whole(type_: ResourceType, version: str, obj: Obj) -> Obj:
    """What rules at the root see: the object in the version it is validated in."""
    return {**obj, "apiVersion": type_.api_version(version)}


def validate_status(
    type_: ResourceType, version: str, causes: Causes, obj: Obj, old: Obj | None, _subresource: str
) -> None:
    """The status of *obj* alone."""
    schema = (own_schema(type_, version).get("properties") or {}).get("status") or {}
    found = Causes()
    if "status" in obj:
        before = MISSING if old is None else old.get("status", MISSING)
        check(found, "", obj["status"], schema, before)
        found = Causes((_below("status", field), reason, words) for field, reason, words in found)
    scaling.check_status(found, type_, version, obj)
    whole = _without_header(own_schema(type_, version))
    _check_rules(found, _content(obj), whole, _content(old or {}), _whole(type_, version, obj), old)
    causes.extend(found)


def _below(parent: str, field: str) -> str:
    return parent if field == NOWHERE else f"{parent}.{field}"


def _content(obj: Obj) -> Obj:
    return {key: value for key, value in obj.items() if key not in _HEADER}


def _without_header(schema: Schema) -> Schema:
    """*schema* but for what the server itself says of every object."""
    known = {key: each for key, each in (schema.get("properties") or {}).items() if key not in _HEADER}
    required = [each for each in schema.get("required") or () if each not in _HEADER]
    return {**schema, "properties": known, "required": required}


def _unique(content: Obj, schema: Schema) -> bool:
    """Whether lists of *content* had doubles before: they may keep them."""
    found = Causes()
    check_unique(found, "", content, schema)
    return bool(found)


def _check_rules(
    found: Causes, content: Obj, schema: Schema, before: Any, whole: Obj, old: Obj | None
) -> None:
    if not rules.has_rules(schema):
        return
    if any(reason in _BLOCKING for _, reason, _ in found):
        found.invalid(NOWHERE, None, _UNCHECKED)
    else:
        rules.check_object(found, content, schema, before, whole, old)


def check(causes: Causes, path: str, value: Any, schema: Schema, old: Any = MISSING) -> None:
    """Add what *schema* says against *value*, which was *old* before."""
    if old is not MISSING and old == value:
        return
    if not _has_type(value, schema):
        wanted, found = ",".join(_types(schema)), _type_of(value)
        causes.type_invalid(path or NOWHERE, found, f'{path} in body must be of type {wanted}: "{found}"')
        if value is None:
            _check_enum(causes, path, value, schema)
            return
    if value is None:
        _check_enum(causes, path, value, schema)
        return
    _check_choices(causes, path, value, schema)
    if isinstance(value, str):
        _check_string(causes, path, value, schema)
    elif isinstance(value, list):
        _check_list(causes, path, value, schema, old)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        _check_number(causes, path, value, schema)
    _check_enum(causes, path, value, schema)
    if isinstance(value, dict):
        _check_map(causes, path, value, schema, old)


def _types(schema: Schema) -> list[str]:
    if schema.get("x-kubernetes-int-or-string"):
        return ["integer", "string"]
    return [schema["type"]] if schema.get("type") else []


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


def _check_enum(causes: Causes, path: str, value: Any, schema: Schema) -> None:
    known = schema.get("enum")
    if not known or (value is None and schema.get("nullable")):
        return
    if not any(type(each) is type(value) and each == value for each in known):
        shown = (each if isinstance(each, str) else golang.compact(each) for each in known)
        causes.unsupported(path, value, shown)


def _check_map(causes: Causes, path: str, value: Obj, schema: Schema, old: Any) -> None:
    least, most = schema.get("minProperties", 0), schema.get("maxProperties", len(value))
    if len(value) < least:
        detail = f"{path} in body should have at least {least} properties"
        causes.invalid(path or NOWHERE, len(value), detail)
    if len(value) > most:
        causes.too_many(path or NOWHERE, len(value), most)
    known, extra = schema.get("properties") or {}, schema.get("additionalProperties")
    for key, each in value.items():
        schema_of_key = known.get(key, extra)
        if isinstance(schema_of_key, dict):
            check(causes, join(path, key), each, schema_of_key, inner(old, key))
    for name in schema.get("required") or ():
        if name not in value:
            causes.required(join(path, name))


def join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _check_list(causes: Causes, path: str, value: list[Any], schema: Schema, old: Any) -> None:
    items = schema.get("items")
    if isinstance(items, dict):
        for index, each in enumerate(value):
            check(causes, f"{path}[{index}]", each, items, item_of(old, each, schema))
    if len(value) < schema.get("minItems", 0):
        causes.invalid(path, len(value), f"{path} in body should have at least {schema['minItems']} items")
    if len(value) > schema.get("maxItems", len(value)):
        causes.too_many(path, len(value), schema["maxItems"])


def _check_string(causes: Causes, path: str, value: str, schema: Schema) -> None:
    if len(value) > schema.get("maxLength", len(value)):
        causes.too_long(path or NOWHERE, schema["maxLength"])
    elif len(value) < schema.get("minLength", 0):
        causes.invalid(path, value, f"{path} in body should be at least {schema['minLength']} chars long")
    elif schema.get("pattern") and not _matches(schema["pattern"], value):
        causes.invalid(path, value, f"{path} in body should match '{schema['pattern']}'")
    wanted = schema.get("format", "")
    if schema.get("type") in ("string", None) and not formats.holds(wanted, value):
        detail = f"{path} in body must be of type {wanted}: {golang.quoted(value)}"
        causes.type_invalid(path or NOWHERE, value, detail)


def _matches(pattern: str, text: str) -> bool:
    return re2.search(pattern, text) is not None


_BITS = {"int32": 31, "int64": 63}


def _check_number(causes: Causes, path: str, value: float, schema: Schema) -> None:
    kind, format_ = schema.get("type"), schema.get("format", "")
    bits = _BITS.get(format_, 63)
    if kind == "integer" and not -(1 << bits) <= value < 1 << bits:
        described = f"with format {format_}" if format_ in _BITS else "(default format)"
        detail = f"Checked value must be of type integer {described} in {path}"
        causes.invalid(NOWHERE, "", detail)
    said = f"{path} in body should be"
    factor, shown = schema.get("multipleOf"), golang.number
    if factor and not _is_multiple(value, factor):
        causes.invalid(path, value, f"{said} a multiple of {shown(factor)}")
    least, most = schema.get("minimum", value), schema.get("maximum", value)
    if value > most or (value == most and "maximum" in schema and schema.get("exclusiveMaximum")):
        limit = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        causes.invalid(path, value, f"{said} {limit} {shown(most)}")
    if value < least or (value == least and "minimum" in schema and schema.get("exclusiveMinimum")):
        limit = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        causes.invalid(path, value, f"{said} {limit} {shown(least)}")


def _is_multiple(value: float, factor: float) -> bool:
    return (
        value % factor == 0
        if isinstance(value, int) and isinstance(factor, int)
        else ((value / factor).is_integer())
    )


def _is_valid(value: Any, schema: Schema) -> bool:
    found = Causes()
    check(found, ".", value, schema)
    return not found


def _check_choices(causes: Causes, path: str, value: Any, schema: Schema) -> None:
    """``anyOf``, ``oneOf``, ``allOf`` and ``not``; the branch that fits best is told of."""
    shown = golang.quoted(path)
    if schema.get("anyOf") and not any(_is_valid(value, each) for each in schema["anyOf"]):
        causes.invalid(NOWHERE, "", f"{shown} must validate at least one schema (anyOf)")
        _best(causes, path, value, schema["anyOf"])
    if schema.get("oneOf"):
        valid = sum(_is_valid(value, each) for each in schema["oneOf"])
        if valid != 1:
            counted = "Found none valid" if not valid else f"Found {valid} valid alternatives"
            causes.invalid(NOWHERE, "", f"{shown} must validate one and only one schema (oneOf). {counted}")
            if not valid:
                _best(causes, path, value, schema["oneOf"])
    if schema.get("allOf"):
        _check_all(causes, path, value, schema["allOf"])
    if schema.get("not") is not None and _is_valid(value, schema["not"]):
        causes.invalid(NOWHERE, "", f"{shown} must not validate the schema (not)")


def _check_all(causes: Causes, path: str, value: Any, schemas: list[Schema]) -> None:
    failed = [each for each in schemas if not _is_valid(value, each)]
    for each in failed:
        check(causes, path, value, each)
    if failed:
        counted = "" if len(failed) < len(schemas) else ". None validated"
        causes.invalid(NOWHERE, "", f"{golang.quoted(path)} must validate all the schemas (allOf){counted}")


def _best(causes: Causes, path: str, value: Any, schemas: list[Schema]) -> None:
    """What the one of *schemas* says that looks at most of *value*: the first, of several."""
    check(causes, path, value, max(schemas, key=lambda each: _looked_at(value, each)))


def _looked_at(value: Any, schema: Schema) -> int:
    """How many parts of *value* have a schema of their own in *schema*."""
    known, items = schema.get("properties") or {}, schema.get("items")
    if isinstance(value, dict):
        return 1 + sum(_looked_at(value[key], each) for key, each in known.items() if key in value)
    if isinstance(value, list) and isinstance(items, dict):
        return 1 + sum(_looked_at(each, items) for each in value)
    return 1
