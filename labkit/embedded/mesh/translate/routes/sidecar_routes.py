"""Route configurations of sidecars: one for each port, one for each port whose protocol is detected.

A VirtualService owns a host completely: the oldest that has routes for the proxy takes it, later ones
for that host are not merged. Services without one get a default route. Names are claimed in that
order, and who comes later loses the domain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labkit.embedded.mesh.hosts import covers, is_wildcard
from labkit.embedded.mesh.mesh_config import REGISTRY_ONLY
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.services import Service
from labkit.embedded.mesh.snapshot import Resource
from labkit.embedded.mesh.translate.clusters import kube_proxy, low_ports
from labkit.embedded.mesh.translate.naming import outbound_cluster, virtual_host
from labkit.embedded.mesh.translate.routes.destinations import Destinations, hash_policy
from labkit.embedded.mesh.translate.routes.domains import domains
from labkit.embedded.mesh.translate.routes.http_routes import (
    allow_any,
    block_all,
    outbound_default,
    routes_of,
)
from labkit.embedded.mesh.translate.routes.matches import Source
from labkit.embedded.mesh.translate.view import View, view_of
from labkit.embedded.mesh.virtual_services import MESH, VirtualService

MAX_DIRECT_RESPONSE_BYTES = 1 << 20


def sidecar_routes(state: MeshState, proxy: Proxy, names: Sequence[str]) -> dict[str, Resource]:
    """The route configurations *names* that the proxy's outbound listeners refer to."""
    found = {}
    for name in names:
        host, _, number = name.rpartition(":")
        table = _table(state, proxy, int(number))
        found[name] = table.single(name) if host else table.configuration()
    return found


def route_configuration(name: str, hosts: Sequence[Resource]) -> Resource:
    """A RouteConfiguration with the settings every one has in common."""
    return {
        "name": name,
        "virtual_hosts": list(hosts),
        "validate_clusters": False,
        "max_direct_response_body_size_bytes": MAX_DIRECT_RESPONSE_BYTES,
        "ignore_port_in_host_matching": True,
    }


def _table(state: MeshState, proxy: Proxy, port: int) -> PortTable:
    """The table of *port*; proxies share it unless a VirtualService asks for the caller's labels."""
    labels = state.labels_of(proxy) if state.virtual_services.ask_for_labels else {}
    key = ("port table", proxy.namespace, port, frozenset(labels.items()))
    if key not in state.memo:
        source = Source(MESH, proxy.namespace, labels, port)
        state.memo[key] = PortTable(view_of(state, proxy.namespace), source)
    table: PortTable = state.memo[key]
    return table


class PortTable:
    """The virtual hosts of one outbound port, each name and domain claimed once."""

    def __init__(self, view: View, source: Source) -> None:
        self._view = view
        self._source = source
        self._services = view.services_at(source.port)
        self._http = {host: each for host, each in self._services.items() if each.ports[0].may_be_http}
        self._hosts: dict[str, Resource] = {}
        self._claimed: set[str] = set()
        self._build()
        self._configuration = self._whole()

    def configuration(self) -> Resource:
        """All virtual hosts by name, the catch-all last."""
        return self._configuration

    def single(self, name: str) -> Resource:
        """The configuration of a port whose protocol is detected: its own host takes every name."""
        host = self._hosts.get(name)
        return route_configuration(name, [{**host, "domains": ["*"]}] if host else [])

    def _whole(self) -> Resource:
        state, port = self._view.state, self._source.port
        closed = state.mesh.outbound_traffic_policy == REGISTRY_ONLY
        behind = [*kube_proxy.routes(state, port), *low_ports.routes(state, port)]
        catch_all = block_all() if closed else allow_any(behind)
        ordered = [self._hosts[name] for name in sorted(self._hosts)]
        return route_configuration(str(port), [*ordered, catch_all])

    def _build(self) -> None:
        owned: set[str] = set()
        for virtual_service in self._view.virtual_services_at(self._source.port):
            owned |= self._add_virtual_service(virtual_service)
        for host, service in self._http.items():
            if host not in owned:
                self._add(host, service, [self._default_route(service)])

    def _add_virtual_service(self, service: VirtualService) -> set[str]:
        """Add the hosts of *service*; returns the registry's among them."""
        strangers, known = self._hosts_of(service)
        if not known and self._source.port != 80:
            return set()
        routes = routes_of(service, self._source, self._destinations())
        if not routes:
            return set()
        for host in strangers:
            self._add(host, None, routes)
        for each in known:
            self._add(each.host, each, routes)
        return {each.host for each in known}

    def _hosts_of(self, service: VirtualService) -> tuple[list[str], list[Service]]:
        """The hosts of *service* that the registry does not know on this port, and the services it does."""
        strangers: list[str] = []
        known: dict[str, Service] = {}
        for host in sorted(service.hosts, key=is_wildcard):
            known |= {each.host: each for each in self._matching(host, service)}
            strangers += [] if self._is_known(host) else [host]
        return strangers, [each for each in known.values() if each.host in self._http]

    def _is_known(self, host: str) -> bool:
        """Whether *host* means some service on this port, be it another VirtualService's."""
        if not is_wildcard(host):
            return host in self._services
        return any(covers(host, name) for name in self._services)

    def _matching(self, host: str, service: VirtualService) -> Iterator[Service]:
        if not is_wildcard(host):
            yield from [self._services[host]] if host in self._services else []
            return
        for name, each in self._services.items():
            if self._view.wildcard_owner(name) == (host, service):
                yield each

    def _destinations(self) -> Destinations:
        find = self._services.get
        return Destinations(self._view.state, self._view.namespace, find, self._source.port)

    def _default_route(self, service: Service) -> Resource:
        port = self._source.port
        rule = self._view.state.destination_rules.lookup(
            service.host, self._view.namespace, service.namespace
        )
        hashing = hash_policy(rule.policy_for(port)) if rule else []
        cluster = outbound_cluster(port, service.host)
        return outbound_default(self._view.state.mesh, cluster, service.host, port, hashing)

    def _add(self, host: str, service: Service | None, routes: Sequence[Resource]) -> None:
        name = virtual_host(host, self._source.port)
        names = domains(service, self._view.namespace) if service else [host]
        free = [each for each in dict.fromkeys(names) if self._is_free(each, host)]
        if name in self._hosts or not free:
            return
        self._claimed |= set(free)
        self._hosts[name] = {
            "name": name,
            "domains": free,
            "routes": list(routes),
            "include_request_attempt_count": True,
        }

    def _is_free(self, domain: str, host: str) -> bool:
        """Whether *domain* is unclaimed, and not the full name of another service."""
        return domain not in self._claimed and (domain == host or domain not in self._http)
