"""Clusters: one for each port of each visible service, one more for each subset of it.

They depend on the proxy's namespace (visibility, DestinationRules) and kind only, so proxies share
them: see :func:`outbound_clusters`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.embedded import outside
from labkit.embedded.low_ports import port_at
from labkit.embedded.mesh import localities
from labkit.embedded.mesh.container_files import socket_place
from labkit.embedded.mesh.durations import proto
from labkit.embedded.mesh.identity.spiffe import spiffe_id
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.peer_authentications import DISABLE
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.resources import PODS
from labkit.embedded.mesh.services import Endpoint, Service, ServicePort
from labkit.embedded.mesh.snapshot import Resource
from labkit.embedded.mesh.translate.clusters import cluster_policy as policies
from labkit.embedded.mesh.translate.clusters.endpoints import load_assignment
from labkit.embedded.mesh.translate.clusters.localities import Spread, setting_for
from labkit.embedded.mesh.translate.naming import (
    BLACK_HOLE,
    PASSTHROUGH,
    ads,
    outbound_cluster,
    typed,
)
from labkit.embedded.mesh.translate.placement import FROM_ANYWHERE, leads_outside, moved_port, resolved
from labkit.embedded.mesh.translate.telemetry.peers import cluster_metadata, no_service
from labkit.embedded.mesh.translate.tls import client, mutual


@dataclass(frozen=True)
class Outbound:
    """Clusters, and the endpoints of those that are filled by EDS."""

    clusters: dict[str, Resource]
    endpoints: dict[str, Resource]


def outbound_clusters(state: MeshState, proxy: Proxy, *, by_sni: bool = False) -> Outbound:
    """Every outbound cluster of *proxy*; made once for each namespace and kind of proxy.

    by_sni: also those to which a gateway passes the TLS of others on.
    """
    chosen = state.destination_rules.selecting(proxy.namespace, state.labels_of(proxy))
    # What else two proxies of a namespace may differ in.
    place = _Place.of(state, proxy)
    key = ("outbound clusters", proxy.namespace, proxy.kind, by_sni, chosen, place)
    if key not in state.memo:
        state.memo[key] = _outbound(state, proxy, by_sni, place)
    found: Outbound = state.memo[key]
    return found


@dataclass(frozen=True)
class _Place:
    """Where a proxy is, as far as its clusters depend on it."""

    locality: str
    labels: frozenset[tuple[str, str]]
    """The proxy's, and those that say where it is; none where nothing asks for them."""
    sockets: tuple[tuple[str, str], ...]
    """The addresses of Unix sockets that it has, and where."""

    @classmethod
    def of(cls, state: MeshState, proxy: Proxy) -> _Place:
        locality, pod = state.locality_of(proxy), state.pod_of(proxy)
        sockets = tuple((each, there) for each in state.sockets if (there := socket_place(each, pod)))
        if not state.places_count:
            return cls(locality, frozenset(), sockets)
        topology = localities.topology(locality, localities.node_of(pod or {}))
        return cls(locality, frozenset({**state.labels_of(proxy), **topology}.items()), sockets)


def passthrough_cluster(state: MeshState) -> Resource:
    """``PassthroughCluster``: dials wherever the caller wanted to go."""
    options: dict[str, Any] = {
        "use_downstream_protocol_config": {"http_protocol_options": {}, "http2_protocol_options": {}}
    }
    http = {policies.HTTP_OPTIONS: typed(policies.HTTP_OPTIONS, **options)}
    return {
        "name": PASSTHROUGH,
        "metadata": no_service(PASSTHROUGH),
        **policies.ORIGINAL_DESTINATION,
        **policies.connection_pool({}, state.mesh.connect_timeout),
        "typed_extension_protocol_options": http,
        **FROM_ANYWHERE,
    }


def black_hole_cluster(state: MeshState) -> Resource:
    """``BlackHoleCluster``: leads nowhere."""
    timeout = proto(state.mesh.connect_timeout)
    metadata = no_service(BLACK_HOLE)
    return {"name": BLACK_HOLE, "type": "STATIC", "connect_timeout": timeout, "metadata": metadata}


def _outbound(state: MeshState, proxy: Proxy, by_sni: bool, place: _Place) -> Outbound:
    found = Outbound({}, {})
    for service in state.services_called_from(proxy.namespace).values():
        for port in service.ports:
            for passes in (False, True) if by_sni and not service.external else (False,):
                if port.protocol != "UDP":
                    for built in _clusters(state, proxy, service, port, passes, place):
                        _add(found, built)
    return found


_WITHOUT_CHOICE = ("common_lb_config", "original_dst_lb_config")
"""Settings that mean something also where the caller has chosen the endpoint."""


@dataclass(frozen=True)
class _Built:
    cluster: Resource
    assignment: Resource | None = None
    is_spread: bool = False
    """Whether there are endpoints to choose among."""


def _add(found: Outbound, built: _Built) -> None:
    name = built.cluster["name"]
    found.clusters.setdefault(name, built.cluster)
    if built.assignment is not None:
        found.endpoints.setdefault(name, built.assignment)


def _clusters(
    state: MeshState, proxy: Proxy, service: Service, port: ServicePort, passes_tls: bool, place: _Place
) -> Iterator[_Built]:
    rule = state.destination_rules.lookup(
        service.host, proxy.namespace, service.namespace, state.labels_of(proxy)
    )
    selects = rule is not None and rule.selects_workloads
    make = _Maker(state, proxy, service, port, place, passes_tls, selects)
    config = None if rule is None else _rule_path(rule.config.namespace, rule.config.name)
    plain = make("", service.endpoints_of(port), rule.policy_for(port.number) if rule else {}, config)
    yield from [plain] if plain else []
    for subset in rule.subsets if rule else ():
        endpoints = [each for each in service.endpoints_of(port) if each.belongs_to(subset.labels)]
        assert rule is not None
        built = make(subset.name, endpoints, rule.policy_for(port.number, subset), config)
        yield from [built] if built else []


def _rule_path(namespace: str, name: str) -> str:
    return f"/apis/networking.istio.io/v1/namespaces/{namespace}/destination-rule/{name}"


@dataclass(frozen=True)
class _Maker:
    """Makes the clusters of one service port."""

    state: MeshState
    proxy: Proxy
    service: Service
    port: ServicePort
    place: _Place
    passes_tls: bool = False
    """Whether they take the TLS of others, and are called by its SNI."""
    is_chosen: bool = False
    """Whether the rule that holds names the workloads it is for."""

    def __call__(
        self, subset: str, endpoints: Sequence[Endpoint], policy: policies.Policy, config: str | None
    ) -> _Built | None:
        name = outbound_cluster(self.port.number, self.service.host, subset)
        name = mutual.sni(name) if self.passes_tls else name
        spread = self._spread(policy)
        discovery = self._discovery(name, endpoints, policy, spread)
        if discovery is None:
            return None
        metadata: dict[str, Any] = {"config": config} if config else {}
        metadata |= {"subset": subset} if subset else {}
        cluster: Resource = {
            "name": name,
            "alt_stat_name": f"{name};",
            **policies.load_balancing(policy),
            **policies.connection_pool(policy, self.state.mesh.connect_timeout),
            **policies.protocol_options(
                policy,
                self.port,
                detects=self.proxy.kind == "sidecar",
                upstream=client.http_options(policy["tls"]) if self._begins_tls(policy) else {},
            ),
            **policies.outlier_detection(policy),
            **self._transport(name, endpoints, policy),
            "metadata": cluster_metadata(self.service, **metadata),
            **discovery.cluster,
        }
        if spread is not None and spread.is_weighted and discovery.is_spread:
            common = {**cluster.get("common_lb_config", {}), "locality_weighted_lb_config": {}}
            cluster["common_lb_config"] = common
        if cluster["lb_policy"] == "CLUSTER_PROVIDED":
            for key in [key for key in cluster if key.endswith("_lb_config") and key not in _WITHOUT_CHOICE]:
                del cluster[key]
        return _Built(cluster, discovery.assignment)

    def _transport(self, name: str, endpoints: Sequence[Endpoint], policy: policies.Policy) -> Resource:
        """How the cluster's connections are secured."""
        asked = policy.get("tls")
        if self.passes_tls:
            return {}
        if self._begins_tls(policy):
            own = [] if self.service.from_kubernetes else sorted(self._names(endpoints))
            socket = client.socket(self.state.mesh, policy["tls"], own, http2=self.port.is_http2)
            return {"transport_socket": socket}
        if asked is not None and asked.get("mode") == "ISTIO_MUTUAL":
            return {"transport_socket": self._istio_mutual(name, endpoints, asked)}
        if asked is not None or not self._may_be_mutual(endpoints):
            return {}
        names = self._names(endpoints)
        return {"transport_socket_matches": mutual.matches(name, names, http2=self.port.is_http2)}

    def _begins_tls(self, policy: policies.Policy) -> bool:
        """Whether TLS begins here that is not the mesh's own."""
        may = self.proxy.kind == "router" or self.is_chosen
        return not self.passes_tls and client.begins(policy.get("tls"), may_have_secrets=may)

    def _istio_mutual(self, name: str, endpoints: Sequence[Endpoint], asked: policies.Policy) -> Resource:
        names = set(asked.get("subjectAltNames") or self._names(endpoints))
        return mutual.client(name, names, http2=self.port.is_http2, server_name=str(asked.get("sni") or ""))

    def _may_be_mutual(self, endpoints: Sequence[Endpoint]) -> bool:
        """Whether mutual TLS is used wherever the other end takes it."""
        if self.service.external or not self.state.mesh.enable_auto_mtls:
            return False
        if self.service.resolution in ("HEADLESS", "NONE"):
            return bool(endpoints) and all(mutual.takes_tls(each.labels) for each in endpoints)
        return self.state.peer_authentications.mode_of(self.service.namespace) != DISABLE

    def _names(self, endpoints: Sequence[Endpoint]) -> set[str]:
        """Whose certificates may answer: those of the workloads' accounts, and what the service says."""
        domains = self.state.mesh.trust_domains
        known = [each for each in endpoints if each.account]
        accounts = {spiffe_id(domain, each.namespace, each.account) for domain in domains for each in known}
        return accounts | set(self.service.subject_alt_names)

    def _spread(self, policy: policies.Policy) -> Spread | None:
        """How endpoints are shared out by where they are; None where that does not count."""
        chosen = setting_for(self.state.mesh, policy, self.service.traffic_distribution)
        if chosen is None:
            return None
        setting, nearby = chosen
        fails_over = nearby or policy.get("outlierDetection") is not None
        return Spread(self.place.locality, dict(self.place.labels), setting, fails_over)

    def _discovery(
        self, name: str, endpoints: Sequence[Endpoint], policy: policies.Policy, spread: Spread | None
    ) -> _Built | None:
        """How the cluster finds its endpoints; None for one that has none and can't get any."""
        resolution = self.service.resolution
        passes = resolution in ("HEADLESS", "NONE") or policies.is_passthrough(policy)
        # A gateway has no original destination to go by: it treats such services like any other.
        if passes and self.proxy.kind == "sidecar":
            return _Built(self._original_destination(endpoints))
        if resolution in ("DNS", "DNS_ROUND_ROBIN"):
            return self._by_name(name, endpoints, spread)
        if resolution == "NONE":
            return None
        if self.passes_tls:
            endpoints = [each for each in endpoints if self._takes_tls(each)]
        assignment = load_assignment(name, endpoints, self._takes_tls, spread, dict(self.place.sockets))
        return _Built(_eds(name) | self._source(endpoints), assignment, True)

    def _takes_tls(self, endpoint: Endpoint) -> bool:
        if not mutual.takes_tls(endpoint.labels):
            return False
        namespace = endpoint.namespace or self.service.namespace
        return self.state.peer_authentications.mode(namespace, endpoint.labels, endpoint.port) != DISABLE

    def _original_destination(self, endpoints: Sequence[Endpoint]) -> Resource:
        cluster: Resource = dict(policies.ORIGINAL_DESTINATION)
        if self.service.from_kubernetes:
            return cluster | moved_port(self.state, self.port.number, (each.address for each in endpoints))
        target = int(self.port.target) or self.port.number
        played = outside.address_within(self.state.objects[PODS], self.service.host)
        there = port_at(played, target, self.state.lowest_port) if played else target
        if there != self.port.number:
            cluster["original_dst_lb_config"] = {"upstream_port_override": there}
        return cluster | FROM_ANYWHERE

    def _by_name(self, name: str, endpoints: Sequence[Endpoint], spread: Spread | None) -> _Built | None:
        found = resolved(self.state, endpoints)
        if not found:
            return None
        once = self.service.resolution == "DNS_ROUND_ROBIN"
        cluster = {
            "type": "LOGICAL_DNS" if once else "STRICT_DNS",
            "dns_lookup_family": "V4_ONLY",
            "dns_refresh_rate": "60s",
            "respect_dns_ttl": True,
            "load_assignment": load_assignment(name, found[:1] if once else found, spread=spread),
        }
        return _Built(cluster | self._source(found), is_spread=True)

    def _source(self, endpoints: Sequence[Endpoint]) -> Resource:
        return FROM_ANYWHERE if leads_outside(each.address for each in endpoints) else {}


def _eds(name: str) -> Resource:
    return {"type": "EDS", "eds_cluster_config": {"eds_config": ads(), "service_name": name}}
