"""Addresses a proxy can't listen on because somebody else on this machine has them.

In a real cluster a load balancer's address is nobody else's. Here it is a loopback address, and a
port of it may be taken: by another cluster's node port, by a server that listens on 0.0.0.0. Envoy
then rejects the whole listener, so such an address is taken off its ``additional_addresses`` and the
rest goes on. It is tried again when the proxy connects again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from typing import Any

Address = tuple[str, int]

_REFUSAL = re.compile(r"cannot bind '([\d.]+):(\d+)'")


def named_in(rejection: str) -> set[Address]:
    """The addresses Envoy could not bind, by the text of its rejection."""
    return {(host, int(port)) for host, port in _REFUSAL.findall(rejection)}


def without(listeners: Mapping[str, dict[str, Any]], taken: Set[Address]) -> dict[str, dict[str, Any]]:
    """*listeners* (JSON, by name) without those of their additional addresses that are *taken*."""
    return {name: _without(listener, taken) for name, listener in listeners.items()}


def _without(listener: dict[str, Any], taken: Set[Address]) -> dict[str, Any]:
    found = listener.get("additional_addresses") or []
    kept = [each for each in found if _address(each) not in taken]
    return listener if len(kept) == len(found) else {**listener, "additional_addresses": kept}


def _address(entry: dict[str, Any]) -> Address:
    socket_address = entry["address"]["socket_address"]
    return socket_address["address"], int(socket_address["port_value"])
