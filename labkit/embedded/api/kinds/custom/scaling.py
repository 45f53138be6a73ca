"""The fields behind ``/scale``, at the paths that a definition names."""

from __future__ import annotations

from typing import Any

from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.types import golang
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj

_MOST = (1 << 31) - 1


def paths(type_: ResourceType, version: str) -> Obj:
    """Where *version* of a custom kind keeps what its Scale shows; empty where it has none."""
    versions: list[Obj] = type_.definition.get("versions") or []
    own: Obj = next((each for each in versions if each["name"] == version), {})
    found: Obj = (own.get("subresources") or {}).get("scale") or {}
    return found


def value_at(obj: Obj, path: str) -> Any:
    """What stands at *path* (``.spec.replicas``), or None."""
    value: Any = obj
    for key in path.lstrip(".").split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def set_at(obj: Obj, path: str, value: Any) -> None:
    """Put *value* at *path*, making the maps on the way."""
    *way, last = path.lstrip(".").split(".")
    inner = obj
    for key in way:
        inner = inner.setdefault(key, {})
    inner[last] = value


def check_spec(causes: Causes, type_: ResourceType, version: str, obj: Obj) -> None:
    """The wanted number, where there is a Scale."""
    if found := paths(type_, version):
        _check_number(causes, found["specReplicasPath"], obj)


def check_status(causes: Causes, type_: ResourceType, version: str, obj: Obj) -> None:
    """The number there is, and whose it is."""
    found = paths(type_, version)
    if not found:
        return
    _check_number(causes, found["statusReplicasPath"], obj)
    path = found.get("labelSelectorPath")
    value = value_at(obj, path) if path else None
    if path and value is not None and not isinstance(value, str):
        causes.invalid(path, "", _accessor_error(path, value, "string"))


def _check_number(causes: Causes, path: str, obj: Obj) -> None:
    value = value_at(obj, path)
    if value is None:
        _check_way(causes, path, obj)
    elif not isinstance(value, int) or isinstance(value, bool):
        causes.invalid(path, 0, _accessor_error(path, value, "int64"))
    elif value < 0:
        causes.invalid(path, value, "should be a non-negative integer")
    elif value > _MOST:
        causes.invalid(path, value, f"should be less than or equal to {_MOST}")


def _check_way(causes: Causes, path: str, obj: Obj) -> None:
    """There is nothing at the end of *path*; what stands on the way to it must be a map."""
    value: Any = obj
    for key in path.lstrip(".").split(".")[:-1]:
        value = value.get(key)
        if value is None:
            return
        if not isinstance(value, dict):
            causes.invalid(path, 0, _accessor_error(path, value, "map[string]interface{}"))
            return


_GO_TYPES = {str: "string", bool: "bool", float: "float64", int: "int64"}


def _accessor_error(path: str, value: Any, wanted: str) -> str:
    found = {dict: "map[string]interface {}", list: "[]interface {}", **_GO_TYPES}[type(value)]
    shown = golang.number(value) if isinstance(value, float) else golang.value(value)
    return f"{path} accessor error: {shown} is of the type {found}, expected {wanted}"
