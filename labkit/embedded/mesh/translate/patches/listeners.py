"""Patches to listeners, their filter chains and the filters in those.

Where a real sidecar has ``virtualInbound`` with chains for each port, ours has a listener for each port
(:mod:`..placement`). Each of those counts as ``virtualInbound``, and its port as its chains' own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.embedded.addresses import app_address
from labkit.embedded.mesh.envoy_filters import MANAGER, Patch
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.snapshot import Resource
from labkit.embedded.mesh.translate import placement
from labkit.embedded.mesh.translate.patches import routes, values
from labkit.embedded.mesh.translate.patches.lists import edited, named, of
from labkit.embedded.mesh.translate.patches.routes import OF_ROUTES

_VIRTUAL_INBOUND, _VIRTUAL_OUTBOUND = "virtualInbound", "virtualOutbound"
_INBOUND_PORT = 15006
_OF_ANY_PORT = ("virtualInbound", "virtualInbound-catchall-http")
_LOCALHOST = "127.0.0.1"
_OF_LISTENERS = ("LISTENER", "LISTENER_FILTER", "FILTER_CHAIN", "NETWORK_FILTER", "HTTP_FILTER")


def patched_listeners(
    proxy: Proxy, listeners: Mapping[str, Resource], patches: list[Patch]
) -> dict[str, Resource]:
    """The listeners of *proxy* as *patches* make them."""
    found = [_Listener(proxy, each, patches).patched() for each in listeners.values()]
    found += [values.made(each.apply_to, each.value) for each in _added(proxy, patches)]
    placed = [_placed(proxy, each) for each in found if each is not None]
    return {str(each.get("name")): each for each in placed}


def _added(proxy: Proxy, patches: list[Patch]) -> Iterator[Patch]:
    contexts = ("GATEWAY",) if proxy.kind == "router" else ("SIDECAR_OUTBOUND", "SIDECAR_INBOUND")
    for context in contexts:
        for each in of(patches, "LISTENER", "ADD"):
            if each.context == context or (each.context == "ANY" and context != "SIDECAR_INBOUND"):
                yield each


def _placed(proxy: Proxy, listener: Resource) -> Resource:
    """Where all addresses are meant, those of the pod are: the host has others, which are not the pod's."""
    socket = (listener.get("address") or {}).get("socket_address") or {}
    given = str(socket.get("address") or "")
    if listener.get("bind_to_port") is False or not (placement.is_any_address(given) or given == _LOCALHOST):
        return listener
    bound = app_address(proxy.pod_ip) if given == _LOCALHOST else proxy.pod_ip
    return {**listener, "address": {"socket_address": {**socket, "address": bound}}}


@dataclass(frozen=True)
class _Chain:
    """A filter chain, and what istiod's has in addition."""

    body: Resource
    port: int
    """The destination port that it is for; 0 for any."""


class _Listener:
    """One listener, in the course of being patched."""

    def __init__(self, proxy: Proxy, body: Resource, patches: list[Patch]) -> None:
        self._inbound = body.get("traffic_direction") == "INBOUND" and proxy.kind == "sidecar"
        side = "SIDECAR_INBOUND" if self._inbound else "SIDECAR_OUTBOUND"
        self._context = "GATEWAY" if proxy.kind == "router" else side
        self._body = body
        self._name = _VIRTUAL_INBOUND if self._inbound else str(body["name"])
        socket = (body.get("address") or {}).get("socket_address") or {}
        self._port = int(socket.get("port_value") or 0)
        mine = [each for each in patches if each.is_for(self._context)]
        self._patches = [each for each in mine if each.apply_to in _OF_LISTENERS and self._is_meant(each)]
        self._of_routes = [each for each in mine if each.apply_to in OF_ROUTES] if self._inbound else []

    @property
    def _is_virtual(self) -> bool:
        return self._name in (_VIRTUAL_INBOUND, _VIRTUAL_OUTBOUND)

    @property
    def _bound_port(self) -> int:
        """The port that istiod's has."""
        fixed = {_VIRTUAL_INBOUND: _INBOUND_PORT, _VIRTUAL_OUTBOUND: placement.OUTBOUND_PORT}
        return fixed.get(self._name, self._port)

    def _is_meant(self, patch: Patch) -> bool:
        if patch.match.get("name") not in (None, "", self._name):
            return False
        if patch.apply_to != "LISTENER" and self._is_virtual:
            return True  # its chains have the ports
        return int(patch.match.get("portNumber") or 0) in (0, self._bound_port)

    def patched(self) -> Resource | None:
        """What becomes of it; None where it is removed."""
        if not self._patches and not self._of_routes:
            return self._body
        for each in of(self._patches, "LISTENER", "MERGE", "REMOVE"):
            if each.operation == "REMOVE":
                return None
            self._body = values.merged("LISTENER", self._body, each.value)
        self._body = {**self._body, **self._filters(), **self._chains()}
        return self._body

    def _filters(self) -> dict[str, Any]:
        filters = list(self._body.get("listener_filters") or [])
        for each in of(self._patches, "LISTENER_FILTER"):
            filters = edited(filters, each, named(each.match.get("listenerFilter")))
        return {"listener_filters": filters}

    def _chains(self) -> dict[str, Any]:
        own = [self._chain(each) for each in self._body.get("filter_chains") or []]
        added = [values.made(each.apply_to, each.value) for each in of(self._patches, "FILTER_CHAIN", "ADD")]
        chains = [*filter(None, own), *filter(self._is_here, added)]
        found: dict[str, Any] = {"filter_chains": chains}
        if default := self._body.get("default_filter_chain"):
            found["default_filter_chain"] = self._chain(default)
        return found

    def _is_here(self, chain: Resource) -> bool:
        """Whether a chain that is added has its place here; of ``virtualInbound`` each part has one port."""
        wanted = (chain.get("filter_chain_match") or {}).get("destination_port")
        return not self._inbound or wanted in (None, self._port)

    def _chain(self, body: Resource) -> Resource | None:
        match = body.get("filter_chain_match") or {}
        port = int(match.get("destination_port") or 0)
        if self._inbound and body.get("name") not in _OF_ANY_PORT:
            port = self._port
        chain = _Chain(body, port)
        patches = [each for each in self._patches if self._is_for_chain(each, chain)]
        if not patches and not self._of_routes:
            return body
        for each in of(patches, "FILTER_CHAIN", "MERGE", "REMOVE"):
            if each.operation == "REMOVE":
                return None
            body = _merged_chain(body, each)
        filters = _network_filters(body.get("filters") or [], patches)
        return {**body, "filters": [self._with_routes(each) for each in filters]}

    def _with_routes(self, body: Resource) -> Resource:
        """A filter with the routes that are written into it as patches make them."""
        inline = (body.get("typed_config") or {}).get("route_config")
        if not inline or not self._of_routes:
            return body
        changed = routes.patched_configuration(inline, self._of_routes, self._context, {})
        return {**body, "typed_config": {**body["typed_config"], "route_config": changed}}

    def _is_for_chain(self, patch: Patch, chain: _Chain) -> bool:
        number = int(patch.match.get("portNumber") or 0)
        if self._is_virtual and number not in (0, chain.port):
            return False
        return _is_chain(chain, patch.match.get("filterChain") or {})


def _is_chain(chain: _Chain, wanted: Mapping[str, Any]) -> bool:
    match = chain.body.get("filter_chain_match") or {}
    protocols = str(wanted.get("applicationProtocols") or "")
    return (
        wanted.get("name") in (None, "", chain.body.get("name"))
        and (not wanted.get("sni") or wanted["sni"] in (match.get("server_names") or []))
        and wanted.get("transportProtocol") in (None, "", match.get("transport_protocol"))
        and int(wanted.get("destinationPort") or 0) in (0, chain.port)
        and (not protocols or set(protocols.split(",")) <= set(match.get("application_protocols") or []))
    )


def _merged_chain(body: Resource, patch: Patch) -> Resource:
    """A chain's socket is merged by its name; then istiod looks at nothing else of the patch."""
    value = values.made(patch.apply_to, patch.value)
    own, more = body.get("transport_socket"), value.get("transport_socket")
    if own and more and own["name"] == more.get("name"):
        return {**body, "transport_socket": values.merged_socket(own, more)}
    return values.merged(patch.apply_to, body, value)


def _network_filters(filters: list[Resource], patches: list[Patch]) -> list[Resource]:
    for each in of(patches, "NETWORK_FILTER"):
        filters = edited(filters, each, named(_filter_name(each)))
    return [_network_filter(each, patches) for each in filters]


def _network_filter(body: Resource, patches: list[Patch]) -> Resource:
    for each in of(patches, "NETWORK_FILTER", "MERGE"):
        if _filter_name(each) in ("", body["name"]):
            body = values.merged_filter(each.apply_to, body, each.value)
    if body.get("name") != MANAGER or "typed_config" not in body:
        return body
    mine = [each for each in of(patches, "HTTP_FILTER") if _filter_name(each) in ("", MANAGER)]
    return {**body, "typed_config": _manager(body["typed_config"], mine)} if mine else body


def _manager(config: Resource, patches: list[Patch]) -> Resource:
    filters = list(config.get("http_filters") or [])
    for each in patches:
        filters = edited(filters, each, named(_sub_filter_name(each)))
    for each in of(patches, "HTTP_FILTER", "MERGE"):
        wanted = _sub_filter_name(each)
        filters = [
            values.merged_filter(each.apply_to, one, each.value) if wanted in ("", one["name"]) else one
            for one in filters
        ]
    return {**config, "http_filters": filters}


def _filter_name(patch: Patch) -> str:
    wanted = (patch.match.get("filterChain") or {}).get("filter") or {}
    return str(wanted.get("name") or "")


def _sub_filter_name(patch: Patch) -> str:
    wanted = (patch.match.get("filterChain") or {}).get("filter") or {}
    return str((wanted.get("subFilter") or {}).get("name") or "")
