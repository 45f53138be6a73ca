"""HTTP filters of EnvoyFilters, put into listeners: the last thing that is done to them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.embedded.mesh.envoy_filters import MANAGER, Insertion
from labkit.embedded.mesh.model import MeshState, Proxy, Resource


def with_insertions(
    state: MeshState, proxy: Proxy, listeners: Mapping[str, Resource]
) -> Mapping[str, Resource]:
    """*listeners* of *proxy* with what EnvoyFilters add to them; those are changed as copies."""
    wanted = state.envoy_filters.insertions_for(proxy.namespace, state.labels_of(proxy))
    if not wanted:
        return listeners
    return {name: _with(proxy, listener, wanted) for name, listener in listeners.items()}


def _with(proxy: Proxy, listener: Resource, wanted: list[Insertion]) -> Resource:
    mine = [each for each in wanted if _is_meant(proxy, listener, each)]
    if not mine:
        return listener
    changed = copy.deepcopy(listener)
    for manager in _managers(changed):
        for each in mine:
            _insert(manager["http_filters"], each)
    return changed


def _is_meant(proxy: Proxy, listener: Resource, insertion: Insertion) -> bool:
    inbound = listener.get("traffic_direction") == "INBOUND"
    side = "SIDECAR_INBOUND" if inbound else "SIDECAR_OUTBOUND"
    context = "GATEWAY" if proxy.kind == "router" else side
    address = (listener.get("address") or {}).get("socket_address") or {}
    return insertion.context in ("ANY", context) and insertion.port in (0, address.get("port_value"))


def _managers(listener: Resource) -> Iterator[dict[str, Any]]:
    """The HTTP connection managers in it."""
    default = listener.get("default_filter_chain")
    for chain in [*(listener.get("filter_chains") or []), *([default] if default else [])]:
        for each in chain.get("filters") or []:
            if each["name"] == MANAGER:
                yield each["typed_config"]


def _insert(filters: list[dict[str, Any]], insertion: Insertion) -> None:
    names = [each["name"] for each in filters]
    if not insertion.before:
        filters.insert(0, insertion.filter)
    elif insertion.before in names:
        filters.insert(names.index(insertion.before), insertion.filter)
