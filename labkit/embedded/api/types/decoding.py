"""From a request's body to an object: what the API server's decoder lets through, and its words.

Built-in kinds decode into Go structs: a wrong type is an error at once, an unknown field is dropped.
Custom kinds (Istio's) keep wrong types for their schema's validation and lose unknown fields the
same way ("pruning"). What is dropped or doubled is an error under ``fieldValidation=Strict``, a
warning under ``Warn`` (the default) and nothing under ``Ignore``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from labkit.embedded.api.request.bodies import join, parse
from labkit.embedded.api.types import golang
from labkit.embedded.api.types.resources import REGISTRY, ResourceType, split_api_version
from labkit.embedded.api.types.scalars import FORMATS
from labkit.embedded.api.types.schemas import Schema, definition, schema_of
from labkit.embedded.objects import Obj
from labkit.embedded.status import bad_request

FieldValidation = Literal["Strict", "Warn", "Ignore"]
_MOST_PROBLEMS = 100  # that are told, as by sigs.k8s.io/json
_KEPT_EMPTY = ("managedFields",)  # an empty list asks to forget all managers


@dataclass(frozen=True)
class Decoded:
    """An object as the server understood it, and the warnings its writer should see."""

    object: Obj
    warnings: list[str] = field(default_factory=list)


class TypeMismatchError(ValueError):
    """The body holds a value its Go field can't take; the message is the decoder's."""

    def __init__(self, message: str, value: Any, schema: Schema) -> None:
        super().__init__(message)
        self.value, self.schema = value, schema


def decode(
    data: bytes,
    type_: ResourceType,
    version: str = "",
    *,
    content_type: str = "application/json",
    field_validation: FieldValidation = "Warn",
    kind: str = "",
) -> Decoded:
    """The object in a POST or PUT body. ApiError 400 for what can't be decoded.

    *kind* names what a subresource takes (``Scale``); otherwise the body is an object of *type_*.
    """
    body = parse(data, content_type, unrecognized=f"(must be of type {kind or type_.kind})")
    version = version or type_.storage_version
    own = schema_of(type_, version)
    schema = own if not kind or kind == type_.kind else _subresource_schema(kind)
    obj, seen = _check_header(body.value, type_, version, kind)
    try:
        problems = [f'duplicate field "{path}"' for path in body.duplicates]
        pruned, unknown = prune(obj, schema, custom=type_.custom and schema is own)
        warnings = strict_errors(problems + unknown, field_validation)
    except ValueError as error:
        raise bad_request(
            f'{seen} in version "{version}" cannot be handled as a {kind or type_.kind}: {error}'
        ) from error
    return Decoded(pruned, warnings)


def _subresource_schema(kind: str) -> Schema:
    names = {
        "Scale": "io.k8s.api.autoscaling.v1.Scale",
        "TokenRequest": "io.k8s.api.authentication.v1.TokenRequest",
        "DeleteOptions": "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions",
    }
    return definition(names[kind])


def strict_errors(problems: list[str], field_validation: FieldValidation) -> list[str]:
    """*problems* (the first, where there are many) as warnings; ValueError where the client is strict."""
    problems = problems[:_MOST_PROBLEMS]
    if problems and field_validation == "Strict":
        raise ValueError("strict decoding error: " + ", ".join(problems))
    return problems if field_validation == "Warn" else []


def _check_header(value: Any, type_: ResourceType, version: str, kind: str) -> tuple[Obj, str]:
    """The object with its apiVersion and kind, and the kind the client wrote."""
    if not isinstance(value, dict):
        found = golang.json_type(value)
        raise bad_request(
            f"the object provided is unrecognized (must be of type {type_.kind}): couldn't get version/kind; "
            f"json parse error: json: cannot unmarshal {found} into Go value of type struct"
        )
    wanted = kind or type_.kind
    foreign = bool(kind) and kind != type_.kind
    expected = value.get("apiVersion") if foreign else type_.api_version(version)
    given = value.get("apiVersion") or expected
    if given != expected:
        raise bad_request(
            f"the API version in the data ({given}) does not match the expected API version ({expected})"
        )
    seen = value.get("kind") or wanted
    if seen != wanted:
        number = split_api_version(str(given))[1]
        why = _unconvertible(str(given), seen, type_)
        raise bad_request(f'{seen} in version "{number}" cannot be handled as a {wanted}: {why}')
    return {**value, "apiVersion": given, "kind": seen}, seen


def _unconvertible(api_version: str, seen: str, type_: ResourceType) -> str:
    """Go's packages of kinds are named as the groups; ``core`` is the one without a name."""
    group, version = split_api_version(api_version)
    if not any((kind.group, kind.kind) == (group, seen) for kind in REGISTRY.values()):
        return "it is another kind"
    package = type_.group.partition(".")[0] or "core"
    return f"converting ({version}.{seen}) to ({package}.{type_.kind}): unknown conversion"


def prune(obj: Obj, schema: Schema, *, custom: bool) -> tuple[Obj, list[str]]:
    """*obj* with only the fields of *schema*, and ``unknown field "…"`` for each one dropped.

    TypeMismatchError (a ValueError) for a value a Go struct can't hold; custom kinds only in metadata.
    """
    unknown: list[str] = []
    if not custom:
        return _typed(obj, schema, _Place("", "", ""), unknown), unknown
    own = {**schema, "properties": {**schema["properties"], "metadata": {}}}
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
    if isinstance(schema.get("properties"), dict):
        return _typed_struct(value, schema, place, unknown)
    if "additionalProperties" in schema:
        return _typed_map(value, schema, place, unknown)
    if schema.get("type") == "array":
        return _typed_list(value, schema, place, unknown)
    if schema.get("format") in FORMATS:
        return FORMATS[schema["format"]](value)
    _check_scalar(value, schema, place)
    return value


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
        blank = "" if items.get("type") == "string" else {}
        at = _Place(join(place.path, key), place.fields, place.struct)
        made[key] = blank if each is None else _typed(each, items, at, unknown)
    return made


def _typed_list(value: Any, schema: Schema, place: _Place, unknown: list[str]) -> list[Any]:
    if not isinstance(value, list):
        raise _mismatch(value, schema, place)
    made = []
    for index, each in enumerate(value):
        at = _Place(f"{place.path}[{index}]", place.fields, place.struct)
        blank: Any = {} if "properties" in schema["items"] else ""
        made.append(_typed(blank if each is None else each, schema["items"], at, unknown))
    return made


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
    """*value* pruned to a CustomResourceDefinition's schema; wrong types are left for validation."""
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [_structural(each, schema["items"], f"{path}[{i}]", unknown) for i, each in enumerate(value)]
    if not isinstance(value, dict) or not _is_closed(schema):
        return value
    made: Obj = {}
    for key, each in value.items():
        known = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
        inner = known if isinstance(known, dict) else {}
        if known is None and not schema.get("x-kubernetes-preserve-unknown-fields"):
            unknown.append(f'unknown field "{join(path, key)}"')
        elif each is not None or not inner or inner.get("nullable"):
            made[key] = _structural(each, inner, join(path, key), unknown)
    return made


def _is_closed(schema: Schema) -> bool:
    return "properties" in schema or "additionalProperties" in schema or schema.get("type") == "object"
