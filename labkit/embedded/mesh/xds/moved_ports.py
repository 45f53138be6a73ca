"""The last step before the wire: what names a pod's port names the one that is really open.

All the rest of the mesh, and what istiod's debug pages show, says the port that is meant. Which addresses
change is :mod:`labkit.embedded.low_ports`' to say. A listener that nothing is bound for stays as it is: what
it is chosen by is where the caller meant to go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from labkit.embedded.low_ports import moved, port_at

_ADDRESS = ("socket_address", "socketAddress")
_PORT = ("port_value", "portValue")
_DESTINATION = ("destination_port", "destinationPort")
_BINDS = ("bind_to_port", "bindToPort")


def placed(body: Mapping[str, Any], lowest: int) -> Mapping[str, Any]:
    """*body*, a cluster, endpoints or a listener in proto3 JSON, for who may open no port below *lowest*."""
    if lowest <= 1 or any(body.get(each) is False for each in _BINDS):
        return body
    found: Mapping[str, Any] = _changed(body, lowest, is_bound=_is_bound(body))
    return found


def _is_bound(body: Mapping[str, Any]) -> bool:
    """Whether it is a listener at an address of the network, on whose ports its rules then look."""
    return any(each in (body.get("address") or {}) for each in _ADDRESS)


def _changed(value: Any, lowest: int, *, is_bound: bool) -> Any:
    if isinstance(value, list):
        return [_changed(each, lowest, is_bound=is_bound) for each in value]
    if not isinstance(value, Mapping):
        return value
    return {key: _field(key, each, lowest, is_bound) for key, each in value.items()}


def _field(key: str, value: Any, lowest: int, is_bound: bool) -> Any:
    if key in _ADDRESS and isinstance(value, Mapping):
        return _with(value, _PORT, lambda port: port_at(str(value.get("address")), port, lowest))
    if key in _DESTINATION and is_bound:
        return _with({key: value}, _DESTINATION, lambda port: moved(port, lowest))[key]
    return _changed(value, lowest, is_bound=is_bound)


def _with(value: Mapping[str, Any], names: tuple[str, ...], change: Callable[[int], int]) -> dict[str, Any]:
    """*value* with the number that has one of *names* changed."""
    return {
        key: change(each) if key in names and isinstance(each, int) else each for key, each in value.items()
    }
