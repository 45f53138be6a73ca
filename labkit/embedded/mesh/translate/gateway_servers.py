"""The servers of Gateways that select a gateway proxy, merged into the ports it listens on.

Gateways are taken oldest first, from every namespace. A server's port is looked up in the Services
that select the pod: port 80 of ``istio-ingressgateway`` is the pod's 8080. HTTP servers that meet on
one port share a listener and a route configuration; a server of another kind that comes later is left
out. TLS termination is not built yet (the API says so when such a Gateway is applied).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from labkit.embedded.mesh.configs import Config
from labkit.embedded.mesh.model import MeshState, Proxy
from labkit.embedded.mesh.pods import container_ports
from labkit.embedded.mesh.services import HTTP_FAMILY, parse_protocol
from labkit.embedded.mesh.translate import placement
from labkit.embedded.objects import Obj, has_labels

TLS_KINDS = ("TLS", "HTTPS")


@dataclass(frozen=True)
class Server:
    """One entry of a Gateway's ``servers``, with hosts that say which namespaces may use them."""

    gateway: Config
    number: int
    protocol: str
    hosts: tuple[tuple[str, str], ...]
    """(namespace or ``*``, host)."""
    tls: Mapping[str, Any]
    bind: str = ""

    @property
    def is_http(self) -> bool:
        return self.protocol in HTTP_FAMILY

    @property
    def is_opaque(self) -> bool:
        """Bytes passed on as they are: TCP, or TLS that is only looked into for its SNI."""
        passes = self.tls.get("mode") in ("PASSTHROUGH", "AUTO_PASSTHROUGH")
        return passes if self.protocol in TLS_KINDS else not self.is_http

    @property
    def redirects_to_https(self) -> bool:
        return bool(self.tls.get("httpsRedirect"))

    def hosts_for(self, namespace: str) -> list[str]:
        """The hosts that VirtualServices of *namespace* may claim."""
        return [host for owner, host in self.hosts if owner in ("*", namespace)]


@dataclass
class Port:
    """A listener of the gateway: its resolved port and the servers on it, of one kind."""

    number: int
    named: str
    bind: str
    servers: list[Server] = field(default_factory=list)

    @property
    def is_http(self) -> bool:
        return self.servers[0].is_http

    @property
    def route_name(self) -> str:
        return f"http.{self.number}" + (f".{self.bind}" if self.bind else "")


def gateway_ports(state: MeshState, proxy: Proxy) -> list[Port]:
    """What the gateway *proxy* listens on, with all servers merged."""
    services = state.services_selecting(proxy.namespace, state.labels_of(proxy))
    names = dict(container_ports(state.pod_of(proxy) or {}, of_proxy=True))
    ports: dict[tuple[int, str], Port] = {}
    for server in _servers(state, proxy):
        number, named = _resolve(server.number, services, names)
        port = ports.setdefault((number, server.bind), Port(number, named, server.bind))
        if not port.servers or port.is_http == server.is_http:
            port.servers.append(server)
    return list(ports.values())


def _servers(state: MeshState, proxy: Proxy) -> Iterator[Server]:
    labels = state.labels_of(proxy)
    for gateway in state.gateways:
        if has_labels(labels, gateway.spec.get("selector") or {}):
            for given in gateway.spec.get("servers") or []:
                server = _server(gateway, given)
                if server.is_http or server.is_opaque:
                    yield server


def _server(gateway: Config, given: Mapping[str, Any]) -> Server:
    port = given.get("port") or {}
    hosts = tuple(_host(str(each), gateway.namespace) for each in given.get("hosts") or [])
    protocol = parse_protocol(str(port.get("protocol") or "")) or "TCP"
    number, tls = int(port.get("number") or 0), given.get("tls") or {}
    bind = str(given.get("bind") or "")
    return Server(gateway, number, protocol, hosts, tls, "" if placement.is_any_address(bind) else bind)


def _host(text: str, own: str) -> tuple[str, str]:
    namespace, slash, host = text.rpartition("/")
    if not slash:
        return "*", host.lower()
    return own if namespace == "." else namespace, host.lower()


def _resolve(number: int, services: list[Obj], names: Mapping[str, int]) -> tuple[int, str]:
    """The pod's port, and its name, for a server's *number*."""
    for service in services:
        for port in (service.get("spec") or {}).get("ports") or []:
            if port["port"] == number:
                target = port.get("targetPort") or number
                return (target, "") if isinstance(target, int) else (names.get(target, number), target)
    return number, ""
