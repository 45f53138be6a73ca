"""Gateways: the listeners of the ports that their servers have on a gateway proxy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labkit.embedded.mesh.hosts import intersection
from labkit.embedded.mesh.model import MeshState, Proxy, Resource
from labkit.embedded.mesh.translate import naming, placement
from labkit.embedded.mesh.translate.gateway_servers import TLS_KINDS, Port, Server
from labkit.embedded.mesh.translate.listeners.chains import TcpChain, distinct
from labkit.embedded.mesh.translate.listeners.http_manager import TLS_INSPECTOR, HttpManager, tcp_proxy
from labkit.embedded.mesh.translate.listeners.tcp_routes import routed_chains
from labkit.embedded.mesh.translate.routes.destinations import Destinations
from labkit.embedded.mesh.translate.routes.matches import Source
from labkit.embedded.mesh.translate.security.guards import http_guards, tcp_guards
from labkit.embedded.mesh.translate.security.topology import topology_of


def gateway_listeners(state: MeshState, proxy: Proxy, ports: list[Port]) -> dict[str, Resource]:
    """The listeners of a gateway; one for TCP or TLS needs a VirtualService to lead anywhere."""
    services = state.services_selecting(proxy.namespace, state.labels_of(proxy))
    found = {}
    for port in ports:
        chains = _chains(state, proxy, port)
        if chains:
            name = naming.listener(port.bind or "0.0.0.0", port.number)
            listener = _listener(state, proxy, port, chains)
            # What Services lead to is the pod's own address: nothing else is reached from outside.
            outside = placement.outside_addresses(state, services, port.number, port.named)
            more = {"additional_addresses": outside} if outside and not port.bind else {}
            found[name] = {"name": name, **listener, **more}
    return found


def _listener(state: MeshState, proxy: Proxy, port: Port, chains: list[dict[str, Any]]) -> Resource:
    by_name = any("server_names" in chain.get("filter_chain_match", {}) for chain in chains)
    return {
        "address": naming.socket_address(placement.bound_address(port.bind, proxy.pod_ip), port.number),
        "traffic_direction": "OUTBOUND",
        "listener_filters": [TLS_INSPECTOR] if by_name else [],
        "filter_chains": chains,
    }


def _chains(state: MeshState, proxy: Proxy, port: Port) -> list[dict[str, Any]]:
    if port.is_http:
        prefix = f"outbound_0.0.0.0_{port.number};"
        guards, topology = http_guards(state, proxy), topology_of(state, proxy)
        manager = HttpManager(state.mesh, "gateway", prefix, guards=guards, topology=topology)
        return [{"filters": [manager.by_rds(port.route_name)]}]
    found = [chain for server in port.servers for chain in _opaque_chains(state, proxy, server)]
    return [_opaque_chain(state, proxy, chain) for chain in distinct(found)]


def _opaque_chain(state: MeshState, proxy: Proxy, chain: TcpChain) -> dict[str, Any]:
    match = {"filter_chain_match": chain.match} if chain.match else {}
    return {**match, "filters": [*tcp_guards(state, proxy), tcp_proxy(chain.target)]}


def _opaque_chains(state: MeshState, proxy: Proxy, server: Server) -> Iterator[TcpChain]:
    name = server.gateway.full_name
    source = Source(name, proxy.namespace, state.labels_of(proxy), server.number)
    find = state.services_visible_from(proxy.namespace).get
    destinations = Destinations(state, proxy.namespace, find, server.number)
    for service in state.virtual_services.bound_to(name, proxy.namespace):
        for host in server.hosts_for(service.namespace):
            if any(intersection(host, each) for each in service.hosts):
                tls = server.protocol in TLS_KINDS
                yield from routed_chains(service, host, source, destinations, tls=tls)
