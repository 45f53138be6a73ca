"""Route configurations of gateways: virtual hosts that several VirtualServices share.

Unlike in a sidecar, VirtualServices that meet on a host of a gateway are merged: their routes follow
one another, Gateways oldest first, then VirtualServices; catch-all routes move to the end. A request
never falls through from one virtual host to a wider one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from labkit.embedded.mesh.hosts import intersection
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.snapshot import Resource
from labkit.embedded.mesh.translate.gateway_servers import Port, Server
from labkit.embedded.mesh.translate.naming import virtual_host
from labkit.embedded.mesh.translate.routes.destinations import Destinations
from labkit.embedded.mesh.translate.routes.http_routes import routes_of
from labkit.embedded.mesh.translate.routes.matches import Source, is_catch_all
from labkit.embedded.mesh.translate.routes.sidecar_routes import route_configuration
from labkit.embedded.mesh.virtual_services import VirtualService


def gateway_routes(state: MeshState, proxy: Proxy, ports: list[Port]) -> dict[str, Resource]:
    """The route configurations of the servers among *ports* that speak HTTP."""
    groups = [group for port in ports for group in port.by_route().items()]
    return {name: _configuration(state, proxy, name, servers) for name, servers in groups}


@dataclass
class _Host:
    """A virtual host that is still growing."""

    name: str
    domains: list[str]
    routes: list[Resource] = field(default_factory=list)
    require_tls: bool = False
    counts_attempts: bool = True

    def resource(self) -> Resource:
        ordered = sorted(self.routes, key=is_catch_all)  # stable: only catch-alls move, to the end
        tls = {"require_tls": "ALL"} if self.require_tls else {}
        counts = {"include_request_attempt_count": True} if self.counts_attempts else {}
        return {"name": self.name, "domains": self.domains, "routes": ordered, **counts, **tls}


def _configuration(state: MeshState, proxy: Proxy, name: str, servers: list[Server]) -> Resource:
    hosts = _Hosts(state, proxy)
    for server in servers:
        hosts.add(server)
    found = _collapsed(hosts.by_name) or [_black_hole(servers[0])]
    resources = sorted((each.resource() for each in found), key=lambda each: str(each["name"]))
    return route_configuration(name, resources)


def _black_hole(server: Server) -> _Host:
    """No VirtualService is bound: 404 for everybody."""
    return _Host(virtual_host("blackhole", server.number), ["*"], counts_attempts=False)


class _Hosts:
    """The virtual hosts of one route configuration, by host."""

    def __init__(self, state: MeshState, proxy: Proxy) -> None:
        self._state = state
        self._proxy = proxy
        self._routes: dict[tuple[str, str], list[Resource]] = {}
        self.by_name: dict[str, _Host] = {}

    def add(self, server: Server) -> None:
        gateway = server.gateway.full_name
        for service in self._state.virtual_services.bound_to(gateway, self._proxy.namespace):
            shared = _shared_hosts(server, service)
            routes = self._routes_of(service, server) if shared else []
            for host in shared if routes else []:
                self._host(host, server).routes += routes
        if server.redirects_to_https:
            for _, host in server.hosts:
                self._host(host, server)

    def _host(self, host: str, server: Server) -> _Host:
        found = self.by_name.setdefault(host, _Host(virtual_host(host, server.number), [host]))
        found.require_tls = found.require_tls or server.redirects_to_https
        return found

    def _routes_of(self, service: VirtualService, server: Server) -> list[Resource]:
        """The routes of *service* on the server's Gateway, built once, for the first server that asks."""
        key = (server.gateway.full_name, service.config.full_name)
        if key not in self._routes:
            self._routes[key] = self._build(service, server)
        return self._routes[key]

    def _build(self, service: VirtualService, server: Server) -> list[Resource]:
        state, proxy = self._state, self._proxy
        source = Source(server.gateway.full_name, proxy.namespace, state.labels_of(proxy), server.number)
        find = state.services_visible_from(proxy.namespace).get
        return routes_of(service, source, Destinations(state, proxy.namespace, find, server.number))


def _shared_hosts(server: Server, service: VirtualService) -> list[str]:
    """The hosts both the server and *service* stand for; of two that overlap the narrower."""
    offered = server.hosts_for(service.namespace)
    found = (intersection(one, other) for one in offered for other in service.hosts)
    return list(dict.fromkeys(host for host in found if host is not None))


def _collapsed(hosts: dict[str, _Host]) -> list[_Host]:
    """One virtual host for all that have the very same routes."""
    known: dict[str, _Host] = {}
    for host in sorted(hosts):
        each = hosts[host]
        key = json.dumps([each.routes, each.require_tls], sort_keys=True)
        if key in known:
            known[key].domains += each.domains
        else:
            known[key] = each
    return list(known.values())
