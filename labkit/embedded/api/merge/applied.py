"""The configuration somebody applies: is it of this kind, does it fit the schema?

Unlike a POST, an apply is read as typed data before anything else, so an unknown field is an error
whatever ``fieldValidation`` says. The wording is structured-merge-diff's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labkit.embedded.api.merge.fieldsets import Path, item_element, show
from labkit.embedded.api.types import golang
from labkit.embedded.api.types.decoding import prune
from labkit.embedded.api.types.resources import ResourceType, split_api_version
from labkit.embedded.api.types.schemas import Schema
from labkit.embedded.objects import Obj, name_of, namespace_of
from labkit.embedded.status import ApiError, bad_request

_NULL_IN_MAP = "with keys may not have a null element"
_NULL_IN_SET = "without keys has an element that's an explicit null"
_UNTYPED_FORMATS = ("int-or-string", "quantity")


def checked(value: Any, type_: ResourceType, version: str, schema: Schema) -> Obj:
    """*value* as an object of *type_*; ApiError where it is another kind or does not fit."""
    if not isinstance(value, dict):
        wanted = "Go value of type map[string]interface {}"
        raise bad_request(
            f"error decoding YAML: json: cannot unmarshal {golang.json_type(value)} into {wanted}"
        )
    config: Obj = {key: each for key, each in value.items() if key != "metadata" or each is not None}
    api_version, kind = (str(config.get(key) or "") for key in ("apiVersion", "kind"))
    if (api_version, kind) != (type_.api_version(version), type_.kind):
        raise bad_request(f"invalid object type: {_kind(api_version, kind)}")
    meta = config.get("metadata")
    named: Obj = {"metadata": meta if isinstance(meta, dict) else {}}
    if named["metadata"].get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    errors = list(_misfits(config, schema, ()))
    if errors:
        where = f"{namespace_of(named)}/{name_of(named)}; {_kind(api_version, kind)}"
        raise ApiError(500, "", f"failed to create typed patch object ({where}): {_joined(errors)}")
    return config


def canonical(value: Obj, type_: ResourceType, schema: Schema) -> Obj:
    """*value* as the server would write it (quantities above all)."""
    try:
        return prune(value, schema, custom=type_.custom)[0]
    except ValueError as error:
        raise ApiError(500, "", f"failed to create typed patch object: {error}") from error


def _kind(api_version: str, kind: str) -> str:
    group, version = split_api_version(api_version)
    return f"{group}/{version}, Kind={kind}"


def _joined(errors: list[str]) -> str:
    return errors[0] if len(errors) == 1 else "errors:\n" + "\n".join(f"  {error}" for error in errors)


def _misfits(value: Any, schema: Schema, path: Path) -> Iterator[str]:
    kind = _kind_of(schema)
    if value is None or not kind:
        return
    if kind == "map":
        yield from _misfits_of_map(value, schema, path)
    elif kind == "list":
        yield from _misfits_of_list(value, schema, path)
    elif not _fits(value, kind):
        yield f"{show(path)}: expected {kind}, got {_go_value(value)}"


def _kind_of(schema: Schema) -> str:
    if "properties" in schema or "additionalProperties" in schema:
        return "map"
    if schema.get("type") == "array":
        return "list"
    if schema.get("format") in _UNTYPED_FORMATS or schema.get("x-kubernetes-int-or-string"):
        return ""
    names = {"string": "string", "boolean": "boolean"}
    names |= dict.fromkeys(("integer", "number"), "numeric (int or float)")
    return names.get(schema.get("type", ""), "")


def _fits(value: Any, kind: str) -> bool:
    if kind == "string":
        return isinstance(value, str)
    if kind == "boolean":
        return isinstance(value, bool)
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _go_value(value: Any) -> str:
    shown = golang.quoted(value) if isinstance(value, str) else golang.value(value)
    return f"&value.valueUnstructured{{Value:{shown}}}"


def _misfits_of_map(value: Any, schema: Schema, path: Path) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{show(path)}: expected map, got {_go_value(value)}"
        return
    extra = schema.get("additionalProperties")
    for key, each in value.items():
        element, inner = (*path, f"f:{key}"), schema.get("properties", {}).get(key, extra)
        if inner is None and not schema.get("x-kubernetes-preserve-unknown-fields"):
            yield f"{show(element)}: field not declared in schema"
        elif isinstance(inner, dict):
            yield from _misfits(each, inner, element)


def _misfits_of_list(value: Any, schema: Schema, path: Path) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{show(path)}: expected list, got {_go_value(value)}"
        return
    keyed, seen = schema.get("x-kubernetes-list-type", "atomic") != "atomic", set()
    for index, item in enumerate(value):
        element = f"i:{index}"
        if keyed:
            try:
                element = _element(item, schema)
            except ValueError as error:
                yield f"{show(path)}: element {index}: {error}"
                continue
            if element in seen:
                yield f"{show(path)}: duplicate entries for key {show((element,))}"
            seen.add(element)
        yield from _misfits(item, schema.get("items", {}), (*path, element))


def _element(item: Any, schema: Schema) -> str:
    """The path element of an item that is applied; ValueError, in the words of structured-merge-diff."""
    keyed = schema.get("x-kubernetes-list-type") == "map"
    if item is None:
        raise ValueError(f"associative list {_NULL_IN_MAP if keyed else _NULL_IN_SET}")
    if not keyed and isinstance(item, dict):
        raise ValueError("associative list without keys has an element that's a map type")
    if not keyed and isinstance(item, list):
        raise ValueError("not supported: associative list with lists as elements")
    return item_element(item, schema)
