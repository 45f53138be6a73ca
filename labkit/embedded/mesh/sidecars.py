"""Sidecars: what the proxies of a namespace, or of chosen pods in it, hear of and how they treat the rest.

https://istio.io/latest/docs/reference/config/networking/sidecar/

One with a ``workloadSelector`` comes before the namespace's own, and that before the root namespace's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from labkit.embedded.mesh.configs import Config
from labkit.embedded.mesh.hosts import covers
from labkit.embedded.mesh.services import Service, ServicePort, parse_protocol
from labkit.embedded.mesh.virtual_services import VirtualService
from labkit.embedded.objects import has_labels

EVERYTHING = ["*/*"]
_ANY, _OWN, _NOTHING = "*", ".", "~"


class Sidecars:
    """All Sidecars of the mesh."""

    def __init__(self, configs: Sequence[Config], root_namespace: str) -> None:
        """*configs*: oldest first."""
        self._configs, self._root = configs, root_namespace

    def chosen(self, namespace: str, labels: Mapping[str, str]) -> Config | None:
        """The one for a pod of *namespace* with *labels*, if any."""
        selecting = (each for each in self._configs if each.namespace == namespace and _selects(each, labels))
        return next(selecting, None) or self._of_namespace(namespace) or self._of_namespace(self._root)

    def _of_namespace(self, namespace: str) -> Config | None:
        candidates = (each for each in self._configs if each.namespace == namespace and not _selector(each))
        return next(candidates, None)


def outbound_mode(config: Config | None) -> str | None:
    """What a Sidecar says of calls to hosts that the registry does not know; None where it says nothing."""
    return (config.spec.get("outboundTrafficPolicy") or {}).get("mode") if config else None


@dataclass(frozen=True)
class Ingress:
    """One entry of ``ingress``: a port of the pod, and where the app is."""

    number: int
    name: str
    protocol: str
    """Of what comes once its TLS has ended, where it does here."""
    default_endpoint: str
    """``127.0.0.1:8080``, ``:8080``, ``unix://…``; empty: on the same port."""
    tls: Mapping[str, Any] | None
    """TLS that ends here, where the mesh's own is off; ``ServerTLSSettings`` in its JSON form."""


def ingress_of(config: Config) -> Iterator[Ingress]:
    """The ports that the Sidecar *config* defines; none where it leaves that to Services."""
    for each in config.spec.get("ingress") or []:
        port, tls = (each or {}).get("port") or {}, (each or {}).get("tls")
        protocol = parse_protocol(str(port.get("protocol") or ""))
        if tls is not None:
            protocol = _BEHIND_TLS.get(protocol, protocol)
        endpoint = str(each.get("defaultEndpoint") or "")
        yield Ingress(int(port.get("number") or 0), str(port.get("name") or ""), protocol, endpoint, tls)


_BEHIND_TLS = {"HTTPS": "HTTP", "TLS": "TCP"}


def inbound_pool(config: Config | None, port: int) -> Mapping[str, Any] | None:
    """The connection pool that a Sidecar sets for what enters by *port*, if it does."""
    if config is None:
        return None
    entries = (each for each in config.spec.get("ingress") or [] if each.get("connectionPool"))
    own: Mapping[str, Any] = next(
        (each for each in entries if (each.get("port") or {}).get("number") == port), {}
    )
    found: Mapping[str, Any] | None = own.get("connectionPool") or config.spec.get("inboundConnectionPool")
    return found


@dataclass(frozen=True)
class _Entry:
    """One entry of ``egress``."""

    port: int
    """0 for those that no other entry names."""
    hosts: tuple[tuple[str, str], ...]
    """(namespace or ``*``, host)."""

    def takes(self, service: Service) -> bool:
        return any(_names(namespace, host, service) for namespace, host in self.hosts)

    def takes_rules(self, service: VirtualService) -> bool:
        return any(
            namespace in (_ANY, service.namespace) and (covers(host, each) or covers(each, host))
            for namespace, host in self.hosts
            for each in service.hosts
        )


def _names(namespace: str, host: str, service: Service) -> bool:
    return namespace in (_ANY, service.namespace) and covers(host, service.host)


@dataclass(frozen=True)
class Scope:
    """What the sidecars of one namespace hear of, as a Sidecar's ``egress`` says."""

    name: str
    """Of the Sidecar, ``namespace/name``."""
    namespace: str
    """Of the pods."""
    entries: tuple[_Entry, ...]

    @classmethod
    def of(cls, config: Config | None, namespace: str) -> Scope | None:
        """That of the Sidecar *config* for pods of *namespace*; None where they hear of everything."""
        given = (config.spec.get("egress") or []) if config else []
        if config is None or not given or [each.get("hosts") for each in given] == [EVERYTHING]:
            return None
        return cls(config.full_name, namespace, tuple(_entry(each or {}, namespace) for each in given))

    def narrowed(self, service: Service) -> Service | None:
        """*service* with the ports that are heard of; None where there is none."""
        kept = tuple(port for port in service.ports if self._takes(service, port))
        if not kept:
            return None
        return service if len(kept) == len(service.ports) else replace(service, ports=kept)

    def _takes(self, service: Service, port: ServicePort) -> bool:
        own = next((each for each in self.entries if each.port in (0, port.number)), None)
        return own is not None and own.takes(service)

    def takes_rules(self, service: VirtualService) -> bool:
        """Whether the rules of *service* count."""
        return any(each.takes_rules(service) for each in self.entries)


def _entry(given: Mapping[str, Any], namespace: str) -> _Entry:
    hosts = []
    for text in given.get("hosts") or []:
        owner, _, host = str(text).partition("/")
        if owner != _NOTHING:
            hosts.append((namespace if owner == _OWN else owner, host.lower()))
    return _Entry(int((given.get("port") or {}).get("number") or 0), tuple(hosts))


def led_to(services: Sequence[VirtualService]) -> Iterator[tuple[str, int]]:
    """(host, port) of all that *services* lead to; 0 where it is for any port."""
    for service in services:
        for rule in (*service.http, *service.tls, *service.tcp):
            mirrored = [{"destination": each} for each in (rule.get("mirror"),) if each]
            for route in (*(rule.get("route") or []), *(rule.get("mirrors") or []), *mirrored):
                destination = route.get("destination") or {}
                yield (
                    str(destination.get("host") or ""),
                    int((destination.get("port") or {}).get("number") or 0),
                )


def _selector(config: Config) -> dict[str, str]:
    return (config.spec.get("workloadSelector") or {}).get("labels") or {}


def _selects(config: Config, labels: Mapping[str, str]) -> bool:
    return bool(_selector(config)) and has_labels(labels, _selector(config))
