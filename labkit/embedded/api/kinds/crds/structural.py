"""Is a schema structural? ``schema/validation.go`` and ``complete.go`` of k8s.io/apiextensions-apiserver.

A structural schema says of every field what it is, once, outside of ``anyOf`` and its kin.
"""

from __future__ import annotations

from typing import Any

import re2

from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.types.schemas import Schema

_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_LEVELS = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}
_EMBEDDED = "x-kubernetes-embedded-resource"
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_INT = "x-kubernetes-int-or-string"
_FORBIDDEN = {
    "type": "must be empty to be structural",
    "additionalProperties": "must be undefined to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    _PRESERVE: "must be false to be structural",
    _EMBEDDED: "must be false to be structural",
    _INT: "must be false to be structural",
    "x-kubernetes-list-map-keys": "must be empty to be structural",
    "x-kubernetes-list-type": "must be undefined to be structural",
    "x-kubernetes-map-type": "must be undefined to be structural",
    "x-kubernetes-validations": "must be empty to be structural",
}


def check(causes: Causes, path: str, schema: Schema) -> None:
    """Add, sorted, what keeps *schema* from being structural."""
    found = Causes()
    _check_invariants(found, path, schema, "root")
    _check_complete(found, path, path, schema, schema)
    causes.extend(sorted(found, key=lambda each: f"{each[0]}: {each[2]}"))


def _check_invariants(causes: Causes, path: str, schema: Schema, level: str) -> None:
    items, extra = schema.get("items"), schema.get("additionalProperties")
    if schema.get("type") == "array" and items is None:
        causes.required(f"{path}.items", "must be specified")
    if isinstance(items, dict):
        _check_invariants(causes, f"{path}.items", items, "item")
    for key, each in (schema.get("properties") or {}).items():
        _check_invariants(causes, f"{path}.properties[{key}]", each, "field")
    if extra is not None and level == "root":
        causes.forbidden(f"{path}.additionalProperties", "must not be used at the root")
    if isinstance(extra, dict):
        _check_invariants(causes, f"{path}.additionalProperties", extra, "field")
    _check_extensions(causes, path, schema)
    any_of, all_of = schema.get("anyOf"), schema.get("allOf") or [{}]
    _check_choices(causes, path, schema, any_of == _INT_OR_STRING, all_of[0].get("anyOf") == _INT_OR_STRING)
    _check_type(causes, path, schema, level)
    _check_header(causes, path, schema, level)
    if schema.get(_EMBEDDED) and not schema.get(_PRESERVE) and not schema.get("properties"):
        detail = f"must not be empty if {_EMBEDDED} is true without {_PRESERVE}"
        causes.required(f"{path}.properties", detail)


def _check_extensions(causes: Causes, path: str, schema: Schema) -> None:
    for key in (_PRESERVE, _EMBEDDED):
        if schema.get(_INT) and schema.get(key):
            causes.invalid(f"{path}.{key}", True, f"must be false if {_INT} is true")


def _check_type(causes: Causes, path: str, schema: Schema, level: str) -> None:
    kind = schema.get("type") or ""
    if schema.get(_EMBEDDED) and kind != "object":
        detail = f"must be object if {_EMBEDDED} is true"
        if kind:
            causes.invalid(f"{path}.type", kind, detail)
        else:
            causes.required(f"{path}.type", detail)
    elif not kind and not schema.get(_INT) and not schema.get(_PRESERVE):
        causes.required(f"{path}.type", _LEVELS[level])
    if schema.get(_EMBEDDED) and schema.get("additionalProperties") is not None:
        causes.forbidden(f"{path}.additionalProperties", f"must not be used if {_EMBEDDED} is set")
    if level == "root" and kind and kind != "object":
        causes.invalid(f"{path}.type", kind, "must be object at the root")


def _check_header(causes: Causes, path: str, schema: Schema, level: str) -> None:
    """apiVersion, kind and metadata are the server's; a definition may restrict names."""
    known = schema.get("properties") or {}
    whole = level == "root" or bool(schema.get(_EMBEDDED))
    for key in ("kind", "apiVersion"):
        if whole and key in known and known[key].get("type") != "string":
            causes.invalid(f"{path}.properties[{key}].type", known[key].get("type") or "", "must be string")
    metadata = known.get("metadata")
    if metadata is None:
        return
    at = f"{path}.properties[metadata]"
    if whole and metadata.get("type") != "object":
        causes.invalid(f"{at}.type", metadata.get("type") or "", "must be object")
    if level == "root" and not _restricts_names_only(metadata):
        detail = (
            "must not specify anything other than name and generateName, but metadata is implicitly specified"
        )
        causes.forbidden(at, detail)


def _restricts_names_only(metadata: Schema) -> bool:
    rest = {key for key, value in metadata.items() if value not in (None, "", [], {}, False)}
    known = set(metadata.get("properties") or {})
    return rest <= {"type", "properties", "default", "description"} - (
        {"description"} if metadata.get("description") else set()
    ) and known <= {"name", "generateName"}


def _check_choices(
    causes: Causes, path: str, schema: Schema, skip_any: bool = False, skip_first_any: bool = False
) -> None:
    if not skip_any:
        for index, each in enumerate(schema.get("anyOf") or ()):
            _check_nested(causes, f"{path}.anyOf[{index}]", each)
    for index, each in enumerate(schema.get("allOf") or ()):
        _check_nested(causes, f"{path}.allOf[{index}]", each, skip_any=skip_first_any and index == 0)
    for index, each in enumerate(schema.get("oneOf") or ()):
        _check_nested(causes, f"{path}.oneOf[{index}]", each)
    if schema.get("not") is not None:
        _check_nested(causes, f"{path}.not", schema["not"])
    if schema.get("pattern"):
        _check_pattern(causes, f"{path}.pattern", schema["pattern"])


def _check_pattern(causes: Causes, path: str, pattern: str) -> None:
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        words = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        detail = f"must be a valid regular expression, but isn't: error parsing regexp: {words}"
        causes.invalid(path, pattern, detail)


def _check_nested(causes: Causes, path: str, schema: Schema, *, skip_any: bool = False) -> None:
    """Below ``anyOf`` and its kin values are restricted, and nothing else is said of them."""
    _check_choices(causes, path, schema, skip_any)
    if isinstance(schema.get("items"), dict):
        _check_nested(causes, f"{path}.items", schema["items"])
    for key, each in (schema.get("properties") or {}).items():
        _check_nested(causes, f"{path}.properties[{key}]", each)
    for key, detail in _FORBIDDEN.items():
        if _is_set(schema, key):
            causes.forbidden(f"{path}.{key}", detail)
    if "metadata" in (schema.get("properties") or {}):
        causes.forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")


def _is_set(schema: Schema, key: str) -> bool:
    value: Any = schema.get(key)
    if key in ("additionalProperties", "default"):
        return value is not None
    return value not in (None, "", [], False)


def _check_complete(causes: Causes, at: str, named: str, choices: Schema, schema: Schema | None) -> None:
    """What a choice names has to be there outside of it."""
    for key in ("not", "allOf", "anyOf", "oneOf"):
        found = choices.get(key)
        nested = found if isinstance(found, list) else [found] if found is not None else []
        for index, each in enumerate(nested):
            place = f"{named}.{key}" if key == "not" else f"{named}.{key}[{index}]"
            _check_nested_complete(causes, at, place, each, schema)


def _check_nested_complete(
    causes: Causes, at: str, named: str, choice: Schema, schema: Schema | None
) -> None:
    if schema is None:
        causes.required(at, f"because it is defined in {named}")
        return
    _check_complete(causes, at, named, choice, schema)
    if isinstance(choice.get("items"), dict):
        _check_nested_complete(causes, f"{at}.items", f"{named}.items", choice["items"], schema.get("items"))
    known = schema.get("properties") or {}
    for key, each in (choice.get("properties") or {}).items():
        inner, place = f"{at}.properties[{key}]", f"{named}.properties[{key}]"
        if key in known:
            _check_nested_complete(causes, inner, place, each, known[key])
        else:
            causes.required(inner, f"because it is defined in {place}")
