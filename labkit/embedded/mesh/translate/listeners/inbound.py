"""The inbound side of a sidecar: a listener, a cluster and routes for each port of the pod's app.

Names carry the *target* port, except for the virtual host and the decorator, which carry the
service's own port. Where two Services select one target port, the older defines protocol and names;
a ServiceEntry of the pod's namespace that leads to the pod is as good as a Service.
VirtualServices never act here. Ports that no Service names are passed on as they are: those that containers
declare, and those that programs have opened all the same. Where a Sidecar has ``ingress``, that alone defines
ports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from labkit.embedded.mesh.container_files import UNIX, socket_place
from labkit.embedded.mesh.durations import proto
from labkit.embedded.mesh.hosts import service_host
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.peer_authentications import DISABLE, STRICT, Mode
from labkit.embedded.mesh.pods import container_ports
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.services import Service, ServicePort
from labkit.embedded.mesh.sidecars import Ingress, inbound_pool, ingress_of
from labkit.embedded.mesh.snapshot import Resource
from labkit.embedded.mesh.translate import naming, placement
from labkit.embedded.mesh.translate.clusters import cluster_policy as policies
from labkit.embedded.mesh.translate.listeners.http_manager import (
    HTTP_INSPECTOR,
    PLAIN_HTTP,
    TLS_INSPECTOR,
    HttpManager,
    tcp_proxy,
)
from labkit.embedded.mesh.translate.routes.http_routes import default_route, inbound_default
from labkit.embedded.mesh.translate.security.guards import http_guards, tcp_guards
from labkit.embedded.mesh.translate.security.topology import topology_of
from labkit.embedded.mesh.translate.telemetry.peers import cluster_metadata, no_service
from labkit.embedded.mesh.translate.tls import mutual
from labkit.embedded.mesh.translate.tls import server as tls_server
from labkit.embedded.objects import Obj, name_of, namespace_of

_PLAIN = {"transport_protocol": "raw_buffer"}
_TLS = {"transport_protocol": "tls"}


@dataclass(frozen=True)
class _Target:
    """A port of the pod, and the Service port that defines it (none for a port no Service names)."""

    number: int
    name: str
    service: Service | None = None
    port: ServicePort | None = None
    ingress: Ingress | None = None
    """What a Sidecar says of it."""


@dataclass(frozen=True)
class Inbound:
    listeners: dict[str, Resource]
    clusters: dict[str, Resource]


def inbound(state: MeshState, proxy: Proxy) -> Inbound:
    """Listeners and clusters for what enters the pod of *proxy*."""
    pod = state.pod_of(proxy)
    targets = list(_targets(state, proxy, pod or {}).values())
    listeners = [_listener(state, proxy, target) for target in targets]
    clusters = [_cluster(state, proxy, each) for each in targets if each.service is not None]
    bare = [target.number for target in targets if target.service is None]
    clusters.append(_passthrough(state, proxy, bare))
    return Inbound({each["name"]: each for each in listeners}, {each["name"]: each for each in clusters})


def _targets(state: MeshState, proxy: Proxy, pod: Obj) -> dict[int, _Target]:
    names = dict(container_ports(pod))
    told = _of_sidecar(state, proxy, names)
    found = dict(told)
    for service, port, number in sorted(_declared(state, proxy, names), key=_age):
        if number and port.protocol != "UDP" and number not in placement.PROXY_PORTS:
            defined = (None, None) if told else (service, port)
            found.setdefault(number, _Target(number, _name_of(number, names), *defined))
    opened = (("", number) for number in sorted(state.open_ports.get(proxy.pod_ip, ())))
    for name, number in (*container_ports(pod), *opened):
        if number not in placement.PROXY_PORTS:
            found.setdefault(number, _Target(number, name))
    return found


_Declared: TypeAlias = tuple[Service, ServicePort, int]
"""A port of a service, and which of the pod's it leads to (0: none)."""


def _declared(state: MeshState, proxy: Proxy, names: dict[str, int]) -> Iterator[_Declared]:
    for obj in state.services_selecting(proxy.namespace, state.labels_of(proxy)):
        service = state.kubernetes_service(service_host(name_of(obj), namespace_of(obj)))
        if service is not None:
            yield from ((service, port, target_number(port, names)) for port in service.ports)
    for entry in state.service_entries_at(proxy.namespace, proxy.pod_ip):
        for port in entry.ports:
            here = (each for each in entry.endpoints_of(port) if each.address == proxy.pod_ip)
            yield from ((entry, port, each.port) for each in here)


def _age(declared: _Declared) -> tuple[str, str]:
    return declared[0].created, declared[0].host


def _name_of(number: int, names: Mapping[str, int]) -> str:
    return next((each for each, value in names.items() if value == number), "")


def _of_sidecar(state: MeshState, proxy: Proxy, names: Mapping[str, int]) -> dict[int, _Target]:
    """The ports of a Sidecar's ``ingress``; each is for a service of the Sidecar's own name."""
    config, found = state.sidecar_of(proxy), dict[int, _Target]()
    if config is None:
        return found
    for each in ingress_of(config):
        port = ServicePort(each.name, each.number, each.protocol)
        host = f"{config.name}.{config.namespace}"
        service = Service(host, config.name, config.namespace, config.created, "CLUSTER_IP", (port,))
        if each.number not in placement.PROXY_PORTS:
            target = _Target(each.number, _name_of(each.number, names), service, port, each)
            found.setdefault(each.number, target)
    return found


def _tls(*offered: str) -> Resource:
    """The match of TLS in which one of these protocols is offered."""
    return {**_TLS, "application_protocols": list(offered)}


def target_number(port: ServicePort, names: dict[str, int]) -> int:
    """The pod's port behind a Service port; 0 where its name is none of the pod's."""
    return port.target if isinstance(port.target, int) else names.get(port.target, 0)


def _listener(state: MeshState, proxy: Proxy, target: _Target) -> Resource:
    mode = state.peer_authentications.mode(proxy.namespace, state.labels_of(proxy), target.number)
    chains = _Chains(state, proxy, target).of(mode)
    listener: Resource = {
        "name": naming.listener(proxy.pod_ip, target.number),
        "address": naming.socket_address(proxy.pod_ip, target.number),
        "traffic_direction": "INBOUND",
        "listener_filters": list(_inspectors(chains)),
        "listener_filters_timeout": proto(state.mesh.protocol_detection_timeout),
        "continue_on_listener_filters_timeout": True,
        "filter_chains": chains,
    }
    services = state.services_selecting(proxy.namespace, state.labels_of(proxy))
    outside = placement.outside_addresses(state, services, target.number, target.name)
    return listener | ({"additional_addresses": outside} if outside else {})


def _inspectors(chains: list[Resource]) -> Iterator[Resource]:
    """What has to look at the first bytes, for Envoy to choose among *chains*."""
    matches = [chain.get("filter_chain_match") or {} for chain in chains]
    if any(each.get("transport_protocol") == "tls" for each in matches):
        yield TLS_INSPECTOR
    if PLAIN_HTTP in matches:
        yield HTTP_INSPECTOR


@dataclass(frozen=True)
class _Chains:
    """Filter chains of one port: HTTP, TCP, or whichever of the two the first bytes show."""

    state: MeshState
    proxy: Proxy
    target: _Target

    def of(self, mode: Mode) -> list[Resource]:
        """Those for callers with mutual TLS, with plain text, or both, as *mode* says."""
        port, ingress = self.target.port, self.target.ingress
        if ingress is not None and ingress.tls is not None and mode == DISABLE:
            return [self._ended(ingress.tls)]
        if port is not None and port.is_http:
            return self._known(mode, self._http)
        if port is not None and not port.is_auto:
            return self._known(mode, self._tcp)
        return self._detected(mode)

    def _ended(self, tls: tls_server.Settings) -> Resource:
        """The one chain of a port where TLS ends that is not the mesh's own."""
        http = self.target.port is not None and self.target.port.is_http
        chain = self._http(_TLS, False) if http else self._tcp(_TLS, False)
        return {**chain, "transport_socket": tls_server.socket(self.state.mesh, tls, http=http)}

    def _known(self, mode: Mode, make: Callable[[Resource, bool], Resource]) -> list[Resource]:
        """Of a port that speaks one protocol."""
        if mode == STRICT:
            return [make(_TLS, True)]
        if mode == DISABLE:
            return [make(_PLAIN, False)]
        foreign = [] if make == self._http else [make(_TLS, False)]
        return [make(_tls(*mutual.ISTIO_ALPN), True), *foreign, make(_PLAIN, False)]

    def _detected(self, mode: Mode) -> list[Resource]:
        """Of a port that speaks whatever comes."""
        by_name = _tls(*mutual.HTTP_ALPN, *mutual.OUR_HTTP_ALPN)
        plain = [self._http(PLAIN_HTTP, False), self._tcp(_PLAIN, False)]
        if mode == STRICT:
            return [self._http(by_name, True), self._tcp(_TLS, True)]
        if mode == DISABLE:
            return plain
        istios = [self._http(by_name, True), self._tcp(_tls(*mutual.TCP_ALPN), True)]
        return [istios[0], plain[0], istios[1], plain[1], self._tcp(_TLS, False)]

    def _http(self, match: Resource, secured: bool) -> Resource:
        return self._chain(0, match, [self._manager()], secured)

    def _tcp(self, match: Resource, secured: bool) -> Resource:
        filters = [*tcp_guards(self.state, self.proxy), _tcp_proxy(self.state, self.target)]
        return self._chain(1, match, filters, secured)

    def _manager(self) -> Resource:
        prefix = f"inbound_{_service_chain(self.proxy, self.target)};"
        guards, topology = http_guards(self.state, self.proxy), topology_of(self.state, self.proxy)
        manager = HttpManager(self.state.mesh, "inbound", prefix, guards=guards, topology=topology)
        return manager.inline(_route_config(self.target))

    def _chain(self, kind: int, match: Resource, filters: list[Resource], secured: bool) -> Resource:
        chain = {
            "name": _chain_names(self.proxy, self.target)[kind],
            "filter_chain_match": match,
            "filters": filters,
        }
        if secured:
            chain["transport_socket"] = mutual.server(self.state.mesh, http=kind == 0)
        return chain


def _chain_names(proxy: Proxy, target: _Target) -> tuple[str, str]:
    if target.service is None:
        return "virtualInbound-catchall-http", "virtualInbound"
    name = _service_chain(proxy, target)
    return name, name


def _service_chain(proxy: Proxy, target: _Target) -> str:
    """A Service's port is the pod's on any address, a Sidecar's on the pod's own."""
    return naming.listener(proxy.pod_ip if target.ingress else "0.0.0.0", target.number)


def _route_config(target: _Target) -> dict[str, Any]:
    if target.service is None or target.port is None:
        action = placement.on_port(target.number)
        route = default_route(naming.INBOUND_PASSTHROUGH, ":0/*", action)
        return _one_host(naming.INBOUND_PASSTHROUGH, "inbound|http|0", route)
    cluster = naming.inbound_cluster(target.number)
    grpc = target.port.protocol in ("GRPC", "GRPC-WEB")
    route = inbound_default(cluster, target.service.host, target.port.number, grpc=grpc)
    return _one_host(cluster, f"inbound|http|{target.port.number}", route)


def _one_host(name: str, host: str, route: Resource) -> dict[str, Any]:
    hosts = [{"name": host, "domains": ["*"], "routes": [route]}]
    return {"name": name, "virtual_hosts": hosts, "validate_clusters": False}


def _tcp_proxy(state: MeshState, target: _Target) -> dict[str, Any]:
    if target.service is not None:
        return tcp_proxy(naming.inbound_cluster(target.number))
    name = naming.INBOUND_PASSTHROUGH
    fields = {"cluster": name, "stat_prefix": name, **placement.on_port(target.number)}
    return tcp_proxy(fields)


def _cluster(state: MeshState, proxy: Proxy, target: _Target) -> Resource:
    assert target.service is not None
    assert target.port is not None
    name = naming.inbound_cluster(target.number)
    owner = _owner(state, proxy, target)
    service = owner or target.service
    nobodys = target.ingress is not None and owner is None
    endpoints = [{"lb_endpoints": list(_endpoints(state, proxy, target))}]
    policy = _connection_pool_of(state, proxy, service, target)
    return {
        "name": name,
        "type": "STATIC",
        "metadata": no_service(service.host) if nobodys else cluster_metadata(service),
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
        **policies.connection_pool(policy, state.mesh.connect_timeout),
        **policies.protocol_options(policy, target.port),
        **placement.inbound_source(),
    }


def _endpoints(state: MeshState, proxy: Proxy, target: _Target) -> Iterator[Resource]:
    """Where the app is: on the same port, or where a Sidecar says; none for a socket of somebody else's."""
    told = target.ingress.default_endpoint if target.ingress else ""
    if not told.startswith(UNIX):
        yield placement.inbound_endpoint(proxy.pod_ip, int(told.rpartition(":")[2] or target.number))
    elif there := socket_place(told, state.pod_of(proxy)):
        yield {"endpoint": {"address": {"pipe": {"path": there}}}}


def _owner(state: MeshState, proxy: Proxy, target: _Target) -> Service | None:
    """The Kubernetes Service that leads to a port of a Sidecar's, if any."""
    names = dict(container_ports(state.pod_of(proxy) or {}))
    for obj in state.services_selecting(proxy.namespace, state.labels_of(proxy)) if target.ingress else ():
        service = state.kubernetes_service(service_host(name_of(obj), namespace_of(obj)))
        if service and any(target_number(each, names) == target.number for each in service.ports):
            return service
    return None


def _connection_pool_of(state: MeshState, proxy: Proxy, service: Service, target: _Target) -> policies.Policy:
    """Of a DestinationRule only the connection pool counts on the inbound side; a Sidecar's beats it."""
    assert target.port is not None
    own = inbound_pool(state.sidecar_of(proxy), target.number)
    if own is not None:
        return {"connectionPool": own}
    rule = state.destination_rules.lookup(service.host, proxy.namespace, service.namespace)
    policy = rule.policy_for(target.port.number) if rule else {}
    return {key: value for key, value in policy.items() if key == "connectionPool"}


def _passthrough(state: MeshState, proxy: Proxy, ports: list[int]) -> Resource:
    return {
        "name": naming.INBOUND_PASSTHROUGH,
        "metadata": no_service(naming.INBOUND_PASSTHROUGH),
        **placement.inbound_passthrough(proxy.pod_ip, ports),
        **policies.connection_pool({}, state.mesh.connect_timeout),
        **policies.protocol_options({}, ServicePort("", 0, "")),
        **placement.inbound_source(),
    }
