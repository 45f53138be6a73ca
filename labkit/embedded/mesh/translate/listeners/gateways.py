"""Gateways: the listeners of the ports that their servers have on a gateway proxy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from labkit.embedded.mesh.hosts import covers, intersection
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.snapshot import Resource
from labkit.embedded.mesh.translate import naming, placement
from labkit.embedded.mesh.translate.gateway_servers import Port, Server
from labkit.embedded.mesh.translate.listeners.chains import Chain, TcpChain, distinct
from labkit.embedded.mesh.translate.listeners.http_manager import TLS_INSPECTOR, HttpManager, tcp_proxy
from labkit.embedded.mesh.translate.listeners.tcp_routes import routed_chains
from labkit.embedded.mesh.translate.routes.destinations import Destinations
from labkit.embedded.mesh.translate.routes.matches import Source
from labkit.embedded.mesh.translate.security.guards import http_guards, tcp_guards
from labkit.embedded.mesh.translate.security.topology import topology_of
from labkit.embedded.mesh.translate.tls import mutual
from labkit.embedded.mesh.translate.tls import server as tls_server
from labkit.embedded.mesh.translate.tls.server import AUTO_PASSTHROUGH


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
    return {
        "address": naming.socket_address(placement.bound_address(port.bind, proxy.pod_ip), port.number),
        "traffic_direction": "OUTBOUND",
        "listener_filters": [TLS_INSPECTOR] if port.kind == "tls" else [],
        "filter_chains": chains,
    }


@dataclass(frozen=True)
class _Chain(Chain):
    filters: list[Resource]
    socket: Resource | None = None

    def resource(self) -> dict[str, Any]:
        match = {"filter_chain_match": self.match} if self.match else {}
        socket = {"transport_socket": self.socket} if self.socket else {}
        return {**match, "filters": self.filters, **socket}


def _chains(state: MeshState, proxy: Proxy, port: Port) -> list[dict[str, Any]]:
    if port.kind == "http":
        return [{"filters": [_manager(state, proxy, port, port.servers[0])]}]
    found = [chain for server in port.servers for chain in _chains_of(state, proxy, port, server)]
    return [chain.resource() for chain in distinct(found)]


def _manager(state: MeshState, proxy: Proxy, port: Port, server: Server) -> dict[str, Any]:
    prefix = f"outbound_0.0.0.0_{port.number};"
    guards, topology = http_guards(state, proxy), topology_of(state, proxy)
    manager = HttpManager(state.mesh, "gateway", prefix, guards=guards, topology=topology)
    return manager.by_rds(server.route_name(port.number))


def _chains_of(state: MeshState, proxy: Proxy, port: Port, server: Server) -> Iterator[_Chain]:
    """Those of one server with TLS, or of one for plain TCP."""
    if server.mode == AUTO_PASSTHROUGH:
        # Who is behind that TLS is not known here: it is for the other end to judge.
        for each in _by_cluster(state, proxy, server):
            yield _Chain([tcp_proxy(each.target)], match=each.match)
    elif server.ends_tls:
        yield from _ended(state, proxy, port, server)
    else:
        for each in _routed(state, proxy, server):
            yield _Chain(_bytes(state, proxy, each), match=each.match)


def _bytes(state: MeshState, proxy: Proxy, chain: TcpChain) -> list[Resource]:
    return [*tcp_guards(state, proxy), tcp_proxy(chain.target)]


def _ended(state: MeshState, proxy: Proxy, port: Port, server: Server) -> Iterator[_Chain]:
    """TLS ends here, and what was in it is routed as HTTP or as bytes."""
    assert server.tls is not None
    match = {"server_names": server.names} if server.names else {}
    socket = tls_server.socket(state.mesh, server.tls, http=server.ends_https)
    if server.ends_https:
        yield _Chain([_manager(state, proxy, port, server)], socket, match=match)
        return
    first = next(_routed(state, proxy, server), None)
    if first is not None:
        yield _Chain(_bytes(state, proxy, first), socket, match=match)


def _routed(state: MeshState, proxy: Proxy, server: Server) -> Iterator[TcpChain]:
    """Where VirtualServices send bytes: by SNI where TLS passes through."""
    name = server.gateway.full_name
    source = Source(name, proxy.namespace, state.labels_of(proxy), server.number)
    find = state.services_visible_from(proxy.namespace).get
    destinations = Destinations(state, proxy.namespace, find, server.number)
    for service in state.virtual_services.bound_to(name, proxy.namespace):
        for host in server.hosts_for(service.namespace):
            if any(intersection(host, each) for each in service.hosts):
                tls = server.kind == "tls" and not server.ends_tls
                yield from routed_chains(service, host, source, destinations, tls=tls)


def _by_cluster(state: MeshState, proxy: Proxy, server: Server) -> Iterator[TcpChain]:
    """A chain for each cluster of the mesh, found by the SNI that callers in the mesh show."""
    for service in state.services_visible_from(proxy.namespace).values():
        if service.external or not any(covers(host, service.host) for _, host in server.hosts):
            continue
        rule = state.destination_rules.lookup(
            service.host, proxy.namespace, service.namespace, state.labels_of(proxy)
        )
        subsets = ["", *(each.name for each in (rule.subsets if rule else ()))]
        for port in (each for each in service.ports if each.protocol != "UDP"):
            for subset in subsets:
                cluster = mutual.sni(naming.outbound_cluster(port.number, service.host, subset))
                match = {"server_names": [cluster], "application_protocols": list(mutual.ISTIO_ALPN)}
                yield TcpChain(cluster, match=match)
