"""From a plain value to an object of a type: what the API server's decoder lets through, and its words.

Built-in kinds decode into Go structs: a wrong type is an error at once, an unknown field is dropped.
Custom kinds (Istio's) keep wrong types for their schema's validation and lose unknown fields the
same way ("pruning").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from labkit.embedded.api.types import golang
from labkit.embedded.api.types.scalars import FORMATS
from labkit.embedded.api.types.schemas import OBJECT_META, Schema, definition
from labkit.embedded.objects import Obj

_KEPT_EMPTY = ("managedFields",)  # an empty list asks to forget all managers


class TypeMismatchError(ValueError):
    """The body holds a value its Go field can't take; the message is the decoder's."""

    def __init__(self, message: str, value: Any, schema: Schema) -> None:
        super().__init__(message)
        self.value, self.schema = value, schema


def prune(obj: Obj, schema: Schema, *, custom: bool) -> tuple[Obj, list[str]]:
    """*obj* with only the fields of *schema*, and ``unknown field "…"`` for each one dropped.

    TypeMismatchError (a ValueError) for a value a Go struct can't hold; custom kinds only in metadata.
    """
    unknown: list[str] = []
    if not custom:
        return _typed(obj, schema, _Place("", "", ""), unknown), unknown
    everything = {"x-kubernetes-preserve-unknown-fields": True}
    own = {**schema, "properties": {**schema["properties"], "metadata": everything}}
    pruned = _structural(obj, own, "", unknown)
    metadata = pruned.pop("metadata", None)
    if metadata is not None:
        place = _Place("metadata", "metadata", "")
        pruned["metadata"] = _typed(metadata, schema["properties"]["metadata"], place, unknown)
    return pruned, sorted(unknown)


@dataclass(frozen=True)
class _Place:
    """Where the decoder is."""

    path: str
    """With indexes: ``spec.ports[0].port``."""
    fields: str
    """Without them, as Go's type errors have it: ``spec.ports.port``."""
    struct: str
    """The Go struct the field belongs to."""


def _typed(value: Any, schema: Schema, place: _Place, unknown: list[str]) -> Any:
    """*value* as a Go struct, slice, map or scalar would hold it."""
    if "x-or" in schema and golang.json_type(value) == schema["x-or"]:
        return value
    if isinstance(schema.get("properties"), dict):
        return _typed_struct(value, schema, place, unknown)
    if "additionalProperties" in schema:
        return _typed_map(value, schema, place, unknown)
    if schema.get("type") == "array":
        return _typed_list(value, schema, place, unknown)
    if schema.get("format") in FORMATS:
        return _scalar(value, schema, place)
    _check_scalar(value, schema, place)
    return value


def _scalar(value: Any, schema: Schema, place: _Place) -> Any:
    try:
        return FORMATS[schema["format"]](value)
    except ValueError as error:
        if schema["format"] != "int-or-string" or not place.struct:
            raise
        where = f"Go struct field {place.struct}.{place.fields}"
        raise ValueError(str(error).replace("Go value", where, 1)) from error


def _typed_struct(value: Any, schema: Schema, place: _Place, unknown: list[str]) -> Obj:
    if not isinstance(value, dict):
        raise _mismatch(value, schema, place)
    struct = schema.get("x-go-type", "").rpartition(".")[2] or place.struct
    required = schema.get("required") or ()
    made: Obj = {}
    for key, each in value.items():
        path, field_schema = join(place.path, key), schema["properties"].get(key)
        if field_schema is None:
            unknown.append(f'unknown field "{path}"')
        elif each is not None:
            kept = _typed(each, field_schema, _Place(path, join(place.fields, key), struct), unknown)
            if not _is_omitted(kept, field_schema) or key in required or key in _KEPT_EMPTY:
                made[key] = kept
    return made


def _is_omitted(value: Any, schema: Schema) -> bool:
    """Whether Go leaves *value* out when it writes the object (``omitempty`` of lists and maps)."""
    return (
        value in ([], {})
        and "properties" not in schema
        and ("items" in schema or "additionalProperties" in schema)
    )


def _typed_map(value: Any, schema: Schema, place: _Place, unknown: list[str]) -> Obj:
    if not isinstance(value, dict):
        raise _mismatch(value, schema, place)
    items = schema["additionalProperties"]
    made: Obj = {}
    for key, each in value.items():
        at = _Place(join(place.path, key), place.fields, place.struct)
        made[key] = _blank(items) if each is None else _typed(each, items, at, unknown)
    return made


def _typed_list(value: Any, schema: Schema, place: _Place, unknown: list[str]) -> list[Any]:
    if not isinstance(value, list):
        raise _mismatch(value, schema, place)
    made = []
    for index, each in enumerate(value):
        at = _Place(f"{place.path}[{index}]", place.fields, place.struct)
        given = _blank(schema["items"]) if each is None else each
        made.append(_typed(given, schema["items"], at, unknown))
    return made


def _blank(schema: Schema) -> Any:
    """What Go makes of a ``null`` among others: the zero value of their type."""
    if schema.get("format") == "quantity":
        return "0"
    if schema.get("format") == "int-or-string":
        return 0
    blank = {"string": "", "integer": 0, "number": 0, "boolean": False, "array": []}
    return blank.get(schema.get("type", ""), {})


def _check_scalar(value: Any, schema: Schema, place: _Place) -> None:
    kind = schema.get("type")
    right = {
        "string": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "integer": isinstance(value, int) and not isinstance(value, bool) and _fits(value, schema),
        "number": isinstance(value, (int, float)) and not isinstance(value, bool),
        "object": isinstance(value, dict),
    }
    if kind and not right[kind]:
        raise _mismatch(value, schema, place)


def _fits(value: int, schema: Schema) -> bool:
    bits = 31 if schema.get("format") == "int32" else 63
    return -(1 << bits) <= value < 1 << bits


def _mismatch(value: Any, schema: Schema, place: _Place) -> TypeMismatchError:
    found = golang.json_type(value)
    if found == "number" and schema.get("type") == "integer":
        found = f"number {value}"
    where = f"Go struct field {place.struct}.{place.fields}" if place.struct else "Go value"
    message = f"json: cannot unmarshal {found} into {where} of type {go_type(schema)}"
    return TypeMismatchError(message, value, schema)


def go_type(schema: Schema) -> str:
    """The Go type of a field: ``int32``, ``[]v1.Container``, ``map[string]string``."""
    if "x-go-type" in schema:
        return str(schema["x-go-type"])
    if "additionalProperties" in schema:
        return f"map[string]{go_type(schema['additionalProperties'])}"
    kind = schema.get("type", "interface {}")
    if kind == "array":
        return f"[]{go_type(schema['items'])}"
    names = {"boolean": "bool", "number": "float64", "integer": schema.get("format", "int64")}
    return str(names.get(kind, kind))


def _structural(value: Any, schema: Schema, path: str, unknown: list[str]) -> Any:
    """*value* pruned to a CustomResourceDefinition's schema; wrong types are left for validation.

    As ``schema/pruning`` of k8s.io/apiextensions-apiserver, and as its defaulting, which drops nulls.
    """
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [_structural(each, schema["items"], f"{path}[{i}]", unknown) for i, each in enumerate(value)]
    if not isinstance(value, dict):
        return value
    known, extra = schema.get("properties") or {}, schema.get("additionalProperties")
    is_open = bool(schema.get("x-kubernetes-preserve-unknown-fields")) or extra is True
    embedded = schema.get("x-kubernetes-embedded-resource")
    made: Obj = {}
    for key, each in value.items():
        inner = known.get(key, extra if isinstance(extra, dict) else None)
        if inner is None and not is_open and not (embedded and key in _HEADER):
            unknown.append(f'unknown field "{join(path, key)}"')
        elif each is not None or inner is None or inner.get("nullable"):
            made[key] = each if inner is None else _structural(each, inner, join(path, key), unknown)
    return _coerced(made, path, unknown) if embedded else made


def pruned_value(value: Any, schema: Schema) -> Any:
    """A part of a custom object with only the fields of its *schema*."""
    return _structural(value, schema, "", [])


_HEADER = ("apiVersion", "kind", "metadata")


def _coerced(obj: Obj, path: str, unknown: list[str]) -> Obj:
    """An embedded object, whose metadata is everybody's."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        return obj
    place = _Place(join(path, "metadata"), "metadata", "")
    return {**obj, "metadata": _typed(metadata, definition(OBJECT_META), place, unknown)}


def join(path: str, key: str) -> str:
    """``spec`` and ``replicas`` → ``spec.replicas``."""
    return f"{path}.{key}" if path else key
