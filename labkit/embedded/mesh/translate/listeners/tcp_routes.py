"""TCP and TLS: the filter chains of one opaque service port, with the VirtualServices' routes for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.embedded.mesh.hosts import covers, is_cidr
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.services import Service, ServicePort
from labkit.embedded.mesh.translate.listeners.chains import TcpChain, distinct
from labkit.embedded.mesh.translate.naming import outbound_cluster
from labkit.embedded.mesh.translate.routes.destinations import Destinations
from labkit.embedded.mesh.translate.routes.matches import Source, applies
from labkit.embedded.mesh.translate.view import view_of
from labkit.embedded.mesh.virtual_services import MESH, VirtualService

Rule = Mapping[str, Any]


def tcp_chains(state: MeshState, proxy: Proxy, service: Service, port: ServicePort) -> list[TcpChain]:
    """The chains of *service*'s *port*, first fitting first; the last has no match if any has none."""
    source = Source(MESH, proxy.namespace, state.labels_of(proxy), port.number)
    find = state.services_visible_from(proxy.namespace).get
    destinations = Destinations(state, proxy.namespace, find, port.number)
    for virtual_service in view_of(state, proxy.namespace).virtual_services_for(service.host):
        found = list(routed_chains(virtual_service, service.host, source, destinations, tls=port.is_tls))
        if found:
            return list(distinct([*found, _default(service, port)]))
    return [_default(service, port)]


def _default(service: Service, port: ServicePort) -> TcpChain:
    return TcpChain(outbound_cluster(port.number, service.host), match=_own_match(service, port))


def _own_match(service: Service, port: ServicePort) -> dict[str, Any]:
    """What tells *service* from others on ``0.0.0.0``: its SNI, or its CIDR addresses."""
    if service.from_kubernetes or any(not is_cidr(address) for address in service.addresses):
        return {}
    match: dict[str, Any] = {"server_names": [service.host]} if port.is_tls else {}
    ranges = prefix_ranges(service.addresses)
    return match | ({"prefix_ranges": ranges} if ranges else {})


def routed_chains(
    service: VirtualService, host: str, source: Source, destinations: Destinations, *, tls: bool
) -> Iterator[TcpChain]:
    """What the ``tls`` (or ``tcp``) routes of *service* make of connections to *host*."""
    for rule in service.tls if tls else service.tcp:
        for match in rule.get("match") or [{}]:
            found = _match(match, host, tls=tls)
            target = tcp_target(service, rule, destinations)
            if found is not None and target is not None and applies(match, source):
                yield TcpChain(target, match=found)


def _match(match: Rule, host: str, *, tls: bool) -> dict[str, Any] | None:
    """The chain match; None where the SNI hosts of *match* have nothing to do with *host*."""
    found: dict[str, Any] = {}
    if tls:
        names = [name for name in match.get("sniHosts") or [] if covers(host, name) or covers(name, host)]
        if not names:
            return None
        found["server_names"] = names
    ranges = prefix_ranges(match.get("destinationSubnets") or [])
    return found | ({"prefix_ranges": ranges} if ranges else {})


def tcp_target(service: VirtualService, rule: Rule, destinations: Destinations) -> dict[str, Any] | None:
    """The TCP proxy's choice of clusters; None where no destination has a weight."""
    routes = rule.get("route") or []
    if len(routes) == 1:
        cluster = destinations.cluster(routes[0]["destination"])
        return {"cluster": cluster, "stat_prefix": cluster}
    weighted = [
        {"name": destinations.cluster(each["destination"]), "weight": int(each["weight"])}
        for each in routes
        if each.get("weight")
    ]
    if not weighted:
        return None
    prefix = f"{service.name}.{service.namespace}"
    return {"weighted_clusters": {"clusters": weighted}, "stat_prefix": prefix}


def prefix_ranges(networks: Any) -> list[dict[str, Any]]:
    """CIDR blocks, or single addresses, as ``CidrRange``."""
    found = []
    for network in networks:
        address, _, length = str(network).partition("/")
        bits = int(length) if length else (128 if ":" in address else 32)
        found.append({"address_prefix": address, "prefix_len": bits})
    return found
