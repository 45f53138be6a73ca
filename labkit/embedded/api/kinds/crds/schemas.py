"""What a definition's schema may say: ``ValidateCustomResourceDefinitionOpenAPISchema`` and the defaults."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.custom import rules
from labkit.embedded.api.kinds.custom.cel import programs
from labkit.embedded.api.kinds.custom.cel.values import type_of
from labkit.embedded.api.kinds.custom.validation import NOWHERE, check
from labkit.embedded.api.types import golang
from labkit.embedded.api.types.decoding import pruned_value
from labkit.embedded.api.types.schemas import Schema

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_UNSUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
_HEADER = ("apiVersion", "kind", "metadata")
_LINES = re.compile(r"[\n\r]+")


@dataclass(frozen=True)
class _Place:
    """What holds for the place in a schema."""

    no_defaults: str = ""
    """Why there may be no default; where there may be one, empty."""
    in_metadata: bool = False
    unrelated: str = ""
    """The path of the first schema above whose parts can't be told again in an update."""
    asks: bool = True
    """Whether rules may stand here."""


def check_schema(causes: Causes, path: str, schema: Schema) -> None:
    """Add what is wrong with the root *schema*, whose structure is sound."""
    found = Causes()
    _check(found, path, schema, _Place(), is_root=True)
    causes.extend(found)


def _check(causes: Causes, path: str, schema: Schema, place: _Place, *, is_root: bool = False) -> None:
    _check_standard(causes, path, schema, place)
    _check_extra(causes, path, schema, place)
    known = schema.get("properties") or {}
    for key, each in known.items():
        _check(causes, f"{path}.properties[{key}]", each, _below(path, schema, place, key, is_root))
    aside = replace(place, asks=False)
    if schema.get("not") is not None:
        _check(causes, f"{path}.not", schema["not"], aside)
    for key in ("allOf", "oneOf", "anyOf"):
        for index, each in enumerate(schema.get(key) or ()):
            _check(causes, f"{path}.{key}[{index}]", each, aside)
    if isinstance(schema.get("items"), dict):
        own = schema.get("x-kubernetes-list-type") == "map"
        inner = place if own or place.unrelated else replace(place, unrelated=path)
        _check(causes, f"{path}.items", schema["items"], inner)
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        causes.invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, "must be true or undefined")
    _check_list_types(causes, path, schema)
    _check_rules(causes, path, schema, place)


def _below(path: str, schema: Schema, place: _Place, key: str, is_root: bool) -> _Place:
    if schema.get("x-kubernetes-map-type") == "atomic" and not place.unrelated:
        place = replace(place, unrelated=path)
    if (is_root or schema.get("x-kubernetes-embedded-resource")) and key in _HEADER:
        place = replace(place, in_metadata=True)
        if is_root:
            place = replace(place, no_defaults=f"must not be set in top-level {key}")
    return place


def _check_standard(causes: Causes, path: str, schema: Schema, place: _Place) -> None:
    kind = schema.get("type") or ""
    if kind and kind not in _TYPES:
        causes.unsupported(f"{path}.type", kind, _TYPES)
    if schema.get("default") is not None and place.no_defaults:
        causes.forbidden(f"{path}.default", place.no_defaults)
    for key in _UNSUPPORTED:
        if schema.get(key):
            causes.forbidden(f"{path}.{key}", f"{key} is not supported")
    if kind == "null":
        causes.forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    if isinstance(schema.get("items"), list):
        causes.forbidden(f"{path}.items", "items must be a schema object and not an array")
    if place.in_metadata and schema.get("x-kubernetes-embedded-resource"):
        causes.forbidden(f"{path}.x-kubernetes-embedded-resource", "must not be used inside of resource meta")
    if schema.get("uniqueItems"):
        detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        causes.forbidden(f"{path}.uniqueItems", detail)


def _check_extra(causes: Causes, path: str, schema: Schema, place: _Place) -> None:
    extra = schema.get("additionalProperties")
    if extra is None:
        return
    at = f"{path}.additionalProperties"
    if schema.get("properties") and extra is not True:
        causes.forbidden(at, "additionalProperties and properties are mutual exclusive")
    if isinstance(extra, dict):
        if place.in_metadata:
            why = "must not be set inside additionalProperties applying to object metadata"
            place = replace(place, no_defaults=why)
        _check(causes, at, extra, place)


def _check_list_types(causes: Causes, path: str, schema: Schema) -> None:
    kind, map_type = schema.get("type") or "", schema.get("x-kubernetes-map-type")
    list_type, items = schema.get("x-kubernetes-list-type"), schema.get("items")
    if map_type is not None and kind != "object":
        _must_be(causes, f"{path}.type", kind, "must be object if x-kubernetes-map-type is specified")
    if map_type not in (None, "atomic", "granular"):
        causes.unsupported(f"{path}.x-kubernetes-map-type", map_type, ("atomic", "granular"))
    if list_type is not None and kind != "array":
        _must_be(causes, f"{path}.type", kind, "must be array if x-kubernetes-list-type is specified")
    elif list_type == "set" and isinstance(items, dict):
        _check_set_items(causes, path, items)
    if list_type not in (None, "atomic", "set", "map"):
        causes.unsupported(f"{path}.x-kubernetes-list-type", list_type, ("atomic", "set", "map"))
    keys = schema.get("x-kubernetes-list-map-keys") or []
    if keys and list_type != "map":
        detail = "must be map if x-kubernetes-list-map-keys is non-empty"
        _must_be(causes, f"{path}.x-kubernetes-list-type", list_type or "", detail)
    if list_type == "map":
        _check_list_map(causes, path, schema, keys)
    if list_type in ("set", "map") and isinstance(items, dict) and items.get("nullable"):
        detail = f"cannot be nullable when x-kubernetes-list-type is {list_type}"
        causes.forbidden(f"{path}.items.nullable", detail)
    if list_type == "map" and isinstance(items, dict):
        _check_keys_given(causes, path, items, keys)


def _must_be(causes: Causes, path: str, value: str, detail: str) -> None:
    if value:
        causes.invalid(path, value, detail)
    else:
        causes.required(path, detail)


def _check_set_items(causes: Causes, path: str, items: Schema) -> None:
    detail = "must be atomic as item of a list with x-kubernetes-list-type=set"
    kind = items.get("type")
    if kind == "array" and items.get("x-kubernetes-list-type", "atomic") != "atomic":
        causes.invalid(f"{path}.items.x-kubernetes-list-type", items["x-kubernetes-list-type"], detail)
    if kind == "object" and items.get("x-kubernetes-map-type") != "atomic":
        causes.invalid(f"{path}.items.x-kubernetes-map-type", items.get("x-kubernetes-list-type"), detail)


def _check_list_map(causes: Causes, path: str, schema: Schema, keys: list[str]) -> None:
    items, at = schema.get("items"), f"{path}.x-kubernetes-list-map-keys"
    if not keys:
        causes.required(at, "must not be empty if x-kubernetes-list-type is map")
    if items is None:
        causes.required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map")
    if not isinstance(items, dict):
        return
    if items.get("type") != "object":
        detail = "must be object if parent array's x-kubernetes-list-type is map"
        causes.invalid(f"{path}.items.type", items.get("type") or "", detail)
        return
    for index, key in enumerate(keys):
        known = (items.get("properties") or {}).get(key)
        if known is None:
            causes.invalid(at, keys, "entries must all be names of item properties")
        elif known.get("type") in ("array", "object"):
            detail = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            causes.invalid(f"{path}.items.properties[{key}].type", items["type"], detail)
        if key in keys[:index]:
            causes.invalid(at, keys, "must not contain duplicate entries")


def _check_keys_given(causes: Causes, path: str, items: Schema, keys: list[str]) -> None:
    for key in keys:
        known = (items.get("properties") or {}).get(key)
        if known is None:
            continue
        at = f"{path}.items.properties[{key}]"
        if key not in (items.get("required") or ()) and known.get("default") is None:
            detail = (
                "this property is in x-kubernetes-list-map-keys, "
                "so it must have a default or be a required property"
            )
            causes.required(f"{at}.default", detail)
        if known.get("nullable"):
            detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable"
            causes.forbidden(f"{at}.nullable", detail)


# --- rules


def _check_rules(causes: Causes, path: str, schema: Schema, place: _Place) -> None:
    before = len(causes)
    found = schema.get("x-kubernetes-validations") or ()
    for index, rule in enumerate(found):
        _check_rule_form(causes, f"{path}.x-kubernetes-validations[{index}]", rule, schema)
    if len(causes) == before and place.asks:
        for index, rule in enumerate(found):
            _check_expressions(causes, f"{path}.x-kubernetes-validations[{index}]", rule, schema, place)


def _check_rule_form(causes: Causes, at: str, rule: dict[str, Any], schema: Schema) -> None:
    text, message = rule.get("rule", "").strip(), rule.get("message") or ""
    if not text:
        causes.required(f"{at}.rule", "rule is not specified")
    elif message and not message.strip():
        causes.invalid(f"{at}.message", message, "must be non-empty if specified")
    elif _LINES.search(message.strip()):
        causes.invalid(f"{at}.message", message, "must not contain line breaks")
    elif _LINES.search(text) and not message.strip():
        causes.required(f"{at}.message", "message must be specified if rule contains line breaks")
    expression = rule.get("messageExpression") or ""
    if expression and not expression.strip():
        causes.required(f"{at}.messageExpression", "messageExpression must be non-empty if specified")
    if rule.get("reason") is not None and rule["reason"] not in _REASONS:
        causes.unsupported(f"{at}.reason", rule["reason"], _REASONS)
    field = rule.get("fieldPath") or ""
    if field and not field.strip():
        causes.invalid(f"{at}.fieldPath", field, "must be non-empty if specified")
    if _LINES.search(field):
        causes.invalid(f"{at}.fieldPath", field, "must not contain line breaks")
    if field and schema_at(schema, field) is None:
        causes.invalid(f"{at}.fieldPath", field, "must be a valid path")


def _as_struct(rule: dict[str, Any]) -> golang.Shown:
    """*rule* as Go prints the struct it is inside the real server."""
    texts = {
        key: rule.get(key[0].lower() + key[1:]) or "" for key in ("Rule", "Message", "MessageExpression")
    }
    whole = {**texts, "Reason": rule.get("reason"), "FieldPath": rule.get("fieldPath") or ""}
    whole["OptionalOldSelf"] = rule.get("optionalOldSelf")
    return golang.Shown(json.dumps(whole, separators=(",", ":"), ensure_ascii=False))


def schema_at(schema: Schema, path: str) -> Schema | None:
    """The schema of what *path* (``.spec['a.b'].c``) leads to; None where it leads nowhere."""
    keys = re.findall(r"\.([^.\[\]]+)|\['((?:[^'\\]|\\.)*)'\]", path)
    if not keys or "".join(f".{one}" if one else f"['{other}']" for one, other in keys) != path:
        return None
    found: Any = schema
    for one, other in keys:
        known, extra = found.get("properties"), found.get("additionalProperties")
        found = known.get(one or other) if known else extra
        if not isinstance(found, dict):
            return None
    return found  # type: ignore[no-any-return]


def _check_expressions(causes: Causes, at: str, rule: dict[str, Any], schema: Schema, place: _Place) -> None:
    kind, optional = type_of(schema), bool(rule.get("optionalOldSelf"))
    try:
        programs.check(rule["rule"], kind, optional, "BOOL")
    except programs.CompilationError as error:
        causes.invalid(f"{at}.rule", _as_struct(rule), str(error))
        return
    if rule.get("messageExpression"):
        try:
            programs.check(rule["messageExpression"], kind, optional, "STRING")
        except programs.CompilationError as error:
            words = str(error).replace("compilation failed", "messageExpression compilation failed", 1)
            causes.invalid(f"{at}.messageExpression", _as_struct(rule), words)
    if programs.uses_old(rule["rule"]):
        if place.unrelated:
            detail = (
                f"oldSelf cannot be used on the uncorrelatable portion of the schema within {place.unrelated}"
            )
            causes.invalid(f"{at}.rule", rule["rule"], detail)
    elif rule.get("optionalOldSelf") is not None:
        causes.invalid(f"{at}.optionalOldSelf", optional, "may not be set if oldSelf is not used in rule")


# --- defaults


def check_defaults(causes: Causes, path: str, schema: Schema) -> None:
    """Add the defaults that *schema* itself would refuse."""
    default = schema.get("default")
    if default is not None:
        at = f"{path}.default"
        if pruned_value(default, schema) != default:
            causes.invalid(at, default, "must not have unknown fields")
        found = Causes()
        check(found, "", default, {key: value for key, value in schema.items() if key != "default"})
        if not found and rules.has_rules(schema):
            rules.check_value(found, default, schema)
        for field, reason, words in found:
            causes.append((at if field in ("", NOWHERE) else f"{at}.{field}", reason, words))
    if isinstance(schema.get("items"), dict):
        check_defaults(causes, f"{path}.items", schema["items"])
    for key, each in (schema.get("properties") or {}).items():
        check_defaults(causes, f"{path}.properties[{key}]", each)
