"""The servers of Gateways that select a gateway proxy, merged into the ports it listens on.

Gateways are taken oldest first, from every namespace. A server's port is looked up in the Services
that select the pod: port 80 of ``istio-ingressgateway`` is the pod's 8080. HTTP servers that meet on
one port share a listener and a route configuration; servers with TLS share a listener, in which the
name that a client asks for (SNI) tells them apart, and have a route configuration each. A server of
another kind that comes later is left out, and so is one with a name that an earlier one has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from labkit.embedded.mesh.configs import Config
from labkit.embedded.mesh.container_files import UNIX
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.pods import container_ports
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.services import HTTP_FAMILY, parse_protocol
from labkit.embedded.mesh.translate import placement
from labkit.embedded.mesh.translate.tls.server import AUTO_PASSTHROUGH, PASSTHROUGH, mode_of
from labkit.embedded.objects import Obj, has_labels

Kind = Literal["http", "tls", "tcp"]


@dataclass(frozen=True)
class Server:
    """One entry of a Gateway's ``servers``, with hosts that say which namespaces may use them."""

    gateway: Config
    number: int
    port_name: str
    protocol: str
    hosts: tuple[tuple[str, str], ...]
    """(namespace or ``*``, host)."""
    tls: Mapping[str, Any] | None
    bind: str = ""

    @property
    def is_http(self) -> bool:
        """Whether it takes HTTP in plain text."""
        return self.protocol in HTTP_FAMILY

    @property
    def kind(self) -> Kind:
        """Only servers of one kind share a port."""
        if self.is_http:
            return "http"
        return "tcp" if self.tls is None else "tls"

    @property
    def mode(self) -> str:
        return mode_of(self.tls)

    @property
    def ends_tls(self) -> bool:
        """Whether TLS ends here; else it is only looked into for the name asked for."""
        return self.kind == "tls" and self.mode not in (PASSTHROUGH, AUTO_PASSTHROUGH)

    @property
    def ends_https(self) -> bool:
        return self.ends_tls and self.protocol == "HTTPS"

    @property
    def names(self) -> list[str]:
        """The names that a client may ask for; none where it may be any."""
        found = sorted({host for _, host in self.hosts})
        return [] if "*" in found else found

    @property
    def redirects_to_https(self) -> bool:
        return bool((self.tls or {}).get("httpsRedirect"))

    def hosts_for(self, namespace: str) -> list[str]:
        """The hosts that VirtualServices of *namespace* may claim."""
        return [host for owner, host in self.hosts if owner in ("*", namespace)]

    def route_name(self, port: int) -> str:
        """Of its route configuration; *port*: the pod's."""
        bind = f".{self.bind}" if self.bind else ""
        if self.is_http:
            return f"http.{port}{bind}"
        owner = self.gateway
        return f"https.{self.number}.{self.port_name}.{owner.name}.{owner.namespace}{bind}"


@dataclass
class Port:
    """A listener of the gateway: its resolved port and the servers on it, of one kind."""

    number: int
    named: str
    bind: str
    servers: list[Server] = field(default_factory=list)

    @property
    def kind(self) -> Kind:
        return self.servers[0].kind

    def takes(self, server: Server) -> bool:
        """Whether there is a place for *server* beside those that are here."""
        if not self.servers:
            return True
        if server.kind != self.kind:
            return False
        taken = {host for each in self.servers for host in each.hosts}
        names = {each.route_name(self.number) for each in self.servers if each.ends_https}
        again = server.ends_https and server.route_name(self.number) in names
        return server.kind != "tls" or not (again or taken & set(server.hosts))

    def by_route(self) -> Mapping[str, list[Server]]:
        """The servers that speak HTTP, by their route configuration."""
        found: dict[str, list[Server]] = {}
        for each in self.servers:
            if each.is_http or each.ends_https:
                found.setdefault(each.route_name(self.number), []).append(each)
        return found


def gateway_ports(state: MeshState, proxy: Proxy) -> list[Port]:
    """What the gateway *proxy* listens on, with all servers merged; Unix sockets are not among it."""
    services = state.services_selecting(proxy.namespace, state.labels_of(proxy))
    names = dict(container_ports(state.pod_of(proxy) or {}, of_proxy=True))
    ports: dict[tuple[int, str], Port] = {}
    for server in _servers(state, proxy):
        number, named = _resolve(server.number, services, names)
        port = ports.setdefault((number, server.bind), Port(number, named, server.bind))
        if port.takes(server):
            port.servers.append(server)
    return list(ports.values())


def _servers(state: MeshState, proxy: Proxy) -> Iterator[Server]:
    labels = state.labels_of(proxy)
    for gateway in state.gateways:
        if has_labels(labels, gateway.spec.get("selector") or {}):
            found = (_server(gateway, given) for given in gateway.spec.get("servers") or [])
            yield from (each for each in found if not each.bind.startswith(UNIX))


def _server(gateway: Config, given: Mapping[str, Any]) -> Server:
    port = given.get("port") or {}
    hosts = tuple(_host(str(each), gateway.namespace) for each in given.get("hosts") or [])
    protocol = parse_protocol(str(port.get("protocol") or "")) or "TCP"
    number, name, bind = (
        int(port.get("number") or 0),
        str(port.get("name") or ""),
        str(given.get("bind") or ""),
    )
    bound = "" if placement.is_any_address(bind) else bind
    return Server(gateway, number, name, protocol, hosts, given.get("tls"), bound)


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
