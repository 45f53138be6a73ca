"""Patches to clusters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.embedded.mesh.envoy_filters import Patch
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.services import Endpoint
from labkit.embedded.mesh.snapshot import Resource
from labkit.embedded.mesh.translate import placement
from labkit.embedded.mesh.translate.naming import INBOUND_PASSTHROUGH, PASSTHROUGH, socket_address
from labkit.embedded.mesh.translate.patches import values
from labkit.embedded.mesh.translate.patches.lists import of

_SOCKET, _SOCKETS = "transport_socket", "transport_socket_matches"
_BY_NAME = ("STRICT_DNS", "LOGICAL_DNS")


def patched_clusters(
    state: MeshState, proxy: Proxy, clusters: Mapping[str, Resource], patches: list[Patch]
) -> dict[str, Resource]:
    """The clusters of *proxy* as *patches* make them."""
    mine = of(patches, "CLUSTER")
    found = {name: _patched(proxy, each, mine) for name, each in clusters.items()} if mine else clusters
    kept = {name: each for name, each in found.items() if each is not None}
    for each in _added(proxy, mine):
        made = _placed(state, values.made(each.apply_to, each.value))
        kept.setdefault(str(made.get("name")), made)
    return kept


def _added(proxy: Proxy, patches: list[Patch]) -> Iterator[Patch]:
    contexts = ("GATEWAY",) if proxy.kind == "router" else ("SIDECAR_OUTBOUND", "SIDECAR_INBOUND")
    for context in contexts:
        for each in of(patches, "CLUSTER", "ADD"):
            if each.context == context or (each.context == "ANY" and context != "SIDECAR_INBOUND"):
                yield each


def _context(proxy: Proxy, name: str) -> str:
    inbound = name.startswith("inbound|") or name == INBOUND_PASSTHROUGH
    return "GATEWAY" if proxy.kind == "router" else "SIDECAR_INBOUND" if inbound else "SIDECAR_OUTBOUND"


def _patched(proxy: Proxy, body: Resource, patches: list[Patch]) -> Resource | None:
    name = str(body["name"])
    if name.startswith(f"{PASSTHROUGH}|"):  # kube-proxy's part, which no proxy's configuration reaches
        return body
    context = _context(proxy, name)
    for each in of(patches, "CLUSTER", "MERGE", "REMOVE"):
        if not (each.is_for(context) and _is_meant(body, each.match)):
            continue
        if each.operation == "REMOVE":
            return None
        body = _merged(body, each)
    return body


def _is_meant(body: Resource, match: Mapping[str, Any]) -> bool:
    name = str(body["name"])
    if match.get("name"):
        return bool(match["name"] == name)
    parts = name.split("|") if name.count("|") == 3 else ["", "0", "", ""]
    _, port, subset, host = parts
    hosts = _hosts(body) if parts[0] == "inbound" else [host]
    return (
        match.get("subset") in (None, "", subset)
        and (not match.get("service") or match["service"] in hosts)
        and int(match.get("portNumber") or 0) in (0, int(port))
    )


def _hosts(body: Resource) -> list[str]:
    """The services that an inbound cluster is for; its name does not say."""
    istio = ((body.get("metadata") or {}).get("filter_metadata") or {}).get("istio") or {}
    return [str(each["host"]) for each in istio.get("services") or []]


def _merged(body: Resource, patch: Patch) -> Resource:
    """A patch with a transport socket changes nothing but that, as istiod has it."""
    value = values.made(patch.apply_to, patch.value)
    socket = value.get(_SOCKET)
    if socket is None:
        return values.merged(patch.apply_to, body, value)
    if body.get(_SOCKETS):
        return {**body, _SOCKETS: _with_socket(body[_SOCKETS], socket)}
    own = body.get(_SOCKET)
    if own is None or own["name"] != socket.get("name"):
        return {**body, _SOCKET: socket}
    return {**body, _SOCKET: values.merged_socket(own, socket)}


def _with_socket(matches: list[Resource], socket: Resource) -> list[Resource]:
    """*matches* with *socket* in the first of them that has one of its name."""
    names = [(each.get(_SOCKET) or {}).get("name") for each in matches]
    if socket.get("name") not in names:
        return matches
    place = names.index(socket.get("name"))
    changed = {**matches[place], _SOCKET: values.merged_socket(matches[place][_SOCKET], socket)}
    return [*matches[:place], changed, *matches[place + 1 :]]


def _placed(state: MeshState, body: Resource) -> Resource:
    """A new cluster: names of the cluster's Services are what its DNS makes of them."""
    assignment = body.get("load_assignment") or {}
    groups = [_resolved(state, body, each) for each in assignment.get("endpoints") or []]
    if not groups:
        return body
    outside = placement.leads_outside(
        str(_socket(each).get("address") or "") for group in groups for each in group["lb_endpoints"]
    )
    source = placement.FROM_ANYWHERE if outside and "upstream_bind_config" not in body else {}
    return {**body, "load_assignment": {**assignment, "endpoints": groups}, **source}


def _socket(endpoint: Resource) -> Resource:
    found: Resource = ((endpoint.get("endpoint") or {}).get("address") or {}).get("socket_address") or {}
    return found


def _resolved(state: MeshState, body: Resource, group: Resource) -> Resource:
    endpoints = group.get("lb_endpoints") or []
    if body.get("type") in _BY_NAME:
        endpoints = [one for each in endpoints for one in _addresses(state, each)]
    return {**group, "lb_endpoints": endpoints}


def _addresses(state: MeshState, endpoint: Resource) -> Iterator[Resource]:
    socket = _socket(endpoint)
    if not socket.get("address"):
        yield endpoint
        return
    asked = Endpoint(str(socket["address"]), int(socket.get("port_value") or 0))
    for found in placement.resolved(state, [asked]):
        address = {"address": socket_address(found.address, found.port)}
        yield {**endpoint, "endpoint": {**endpoint["endpoint"], **address}}
