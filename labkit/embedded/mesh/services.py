"""The service registry's vocabulary: what Kubernetes Services and ServiceEntries both become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from labkit.embedded.mesh.workloads import Workload
from labkit.embedded.objects import has_labels

CLUSTER_DOMAIN = "cluster.local"

HTTP_FAMILY = frozenset({"HTTP", "HTTP2", "GRPC", "GRPC-WEB"})
HTTP2_FAMILY = frozenset({"HTTP2", "GRPC", "GRPC-WEB"})
TLS_FAMILY = frozenset({"HTTPS", "TLS"})
AUTO = ""
"""The protocol of a port that declares none: Envoy looks at the bytes."""

Resolution = Literal["CLUSTER_IP", "HEADLESS", "NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN"]


@dataclass(frozen=True)
class ServicePort:
    """One port of a service; *number* is the service's own, never the target."""

    name: str
    number: int
    protocol: str
    """``HTTP``, ``TCP``, … as Istio spells them; :data:`AUTO` where it must be detected."""
    target: int | str = 0
    """A container port's number or name; for a ServiceEntry a number, 0 where there is none."""

    @property
    def is_http(self) -> bool:
        return self.protocol in HTTP_FAMILY

    @property
    def is_http2(self) -> bool:
        return self.protocol in HTTP2_FAMILY

    @property
    def is_tls(self) -> bool:
        return self.protocol in TLS_FAMILY

    @property
    def is_auto(self) -> bool:
        return self.protocol == AUTO

    @property
    def may_be_http(self) -> bool:
        return self.is_http or self.is_auto


@dataclass(frozen=True)
class Endpoint:
    """One address behind a service port."""

    address: str
    port: int
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)
    weight: int = 1
    locality: str = ""
    """``region/zone/subzone``, missing parts left out."""
    workload: str = ""
    """The pod's name, or empty."""
    namespace: str = ""
    """Of the workload."""
    account: str = ""
    """The workload's service account."""
    node: str = ""
    """Where it runs."""
    told: Workload | None = field(default=None, compare=False)
    """What metrics say it belongs to, where it is a pod of this cluster."""

    def belongs_to(self, subset: Mapping[str, str]) -> bool:
        return has_labels(self.labels, subset)


@dataclass(frozen=True)
class Service:
    """A host of the registry, with everything a proxy could need to reach it."""

    host: str
    name: str
    namespace: str
    created: str
    resolution: Resolution
    ports: tuple[ServicePort, ...]
    addresses: tuple[str, ...] = ()
    """Virtual addresses: the cluster IPs, or a ServiceEntry's addresses (perhaps CIDR)."""
    export_to: frozenset[str] = frozenset({"*"})
    external: bool = False
    """``MESH_EXTERNAL``."""
    from_kubernetes: bool = True
    traffic_distribution: str = ""
    """Which endpoints its callers shall prefer: ``PreferSameZone``, ``PreferSameNode``."""
    aliases: tuple[str, ...] = ()
    """Hosts of ExternalName Services that point here."""
    subject_alt_names: tuple[str, ...] = ()
    """Names that its certificates may be for, besides those of its workloads' accounts."""
    endpoints: Mapping[str, tuple[Endpoint, ...]] = field(default_factory=dict, compare=False)
    """By port name."""

    def port(self, number: int) -> ServicePort | None:
        return next((port for port in self.ports if port.number == number), None)

    def endpoints_of(self, port: ServicePort) -> tuple[Endpoint, ...]:
        return self.endpoints.get(port.name, ())

    def is_visible_from(self, namespace: str) -> bool:
        return is_exported(self.export_to, self.namespace, namespace)


def is_exported(export_to: frozenset[str], own: str, namespace: str) -> bool:
    """Whether an object of namespace *own* with *export_to* is seen from *namespace*."""
    return "*" in export_to or namespace in export_to or ("." in export_to and own == namespace)


_NAMED = frozenset({"HTTP", "HTTP2", "GRPC", "HTTPS", "TLS", "TCP", "UDP", "MONGO", "REDIS", "MYSQL"})
_KUBERNETES_APP_PROTOCOLS = {
    "kubernetes.io/h2c": "HTTP2",
    "kubernetes.io/ws": "HTTP",
    "kubernetes.io/wss": "HTTPS",
}
# Server-first protocols: waiting for the client's first bytes would hang them.
_NEVER_DETECTED = frozenset({25, 53, 3306, 27017})


def parse_protocol(text: str) -> str:
    """*text*, such as ``http-web`` or ``HTTP2``, as a protocol; :data:`AUTO` where it names none."""
    lower = text.lower()
    if lower.startswith("grpc-web"):
        return "GRPC-WEB"
    first = lower.split("-", 1)[0].upper()
    return first if first in _NAMED else AUTO


def kubernetes_protocol(number: int, name: str, transport: str, app_protocol: str) -> str:
    """Protocol selection for a Kubernetes Service port, in Istio's order of precedence."""
    if transport == "UDP":
        return "UDP"
    if app_protocol:
        return _KUBERNETES_APP_PROTOCOLS.get(app_protocol.lower()) or _declared(app_protocol, number)
    return _declared(name, number)


def _declared(text: str, number: int) -> str:
    return parse_protocol(text) or ("TCP" if number in _NEVER_DETECTED else AUTO)
