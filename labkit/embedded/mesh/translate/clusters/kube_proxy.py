"""kube-proxy's part of ALLOW_ANY: what is passed through to a cluster IP arrives at the Service's pods.

In a real pod, PassthroughCluster dials the cluster IP that the caller asked for, and the node's kube-proxy
makes a pod's address of it: so a Service hidden by ``exportTo``, or a known one called by an unknown Host,
answers. Here nobody stands behind Envoy. Envoy therefore does it itself:

- a cluster ``PassthroughCluster|<cluster IP>:<port>`` for every Service's port, endpoints chosen at random;
- connections that ``virtualOutbound`` keeps are sent to the one named after their destination;
- HTTP notes its destination in the connection's filter state; the ``allow_any`` virtual host matches on it;
- any other cluster IP and port leads nowhere, as with kube-proxy.

Not HTTP, to a cluster IP, on a port known for HTTP: closed. A real mesh would pass that on as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

from labkit.embedded.addresses import service_networks
from labkit.embedded.mesh.mesh_config import ALLOW_ANY, MeshConfig
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.services import Service, ServicePort
from labkit.embedded.mesh.snapshot import Resource
from labkit.embedded.mesh.translate.clusters import cluster_policy as policies
from labkit.embedded.mesh.translate.clusters.endpoints import load_assignment
from labkit.embedded.mesh.translate.naming import BLACK_HOLE, PASSTHROUGH, ads, typed
from labkit.embedded.mesh.translate.telemetry.peers import no_service

DESTINATION = "labkit.destination"
"""Filter state of an HTTP connection: ``address:port`` that the caller asked for."""
_ADDRESS = "%DOWNSTREAM_LOCAL_ADDRESS%"
_RANDOM = {"loadBalancer": {"simple": "RANDOM"}}


def acts(mesh: MeshConfig) -> bool:
    return mesh.outbound_traffic_policy == ALLOW_ANY


def clusters(state: MeshState) -> tuple[dict[str, Resource], dict[str, Resource]]:
    """The clusters of all cluster IPs, and their endpoints; none where nothing is passed through."""
    if "kube-proxy" not in state.memo:
        state.memo["kube-proxy"] = _clusters(state)
    made: tuple[dict[str, Resource], dict[str, Resource]] = state.memo["kube-proxy"]
    return made


def _clusters(state: MeshState) -> tuple[dict[str, Resource], dict[str, Resource]]:
    found: dict[str, Resource] = {}
    endpoints: dict[str, Resource] = {}
    for service, address, port in _published(state) if acts(state.mesh) else ():
        name = _name(address, port)
        found[name] = {
            "name": name,
            "metadata": no_service(PASSTHROUGH),
            "type": "EDS",
            "eds_cluster_config": {"eds_config": ads(), "service_name": name},
            **policies.load_balancing(_RANDOM),
            **policies.connection_pool({}, state.mesh.connect_timeout),
            **policies.protocol_options({}, ServicePort("", 0, "")),
        }
        endpoints[name] = load_assignment(name, service.endpoints_of(port))
    return found, endpoints


def _published(state: MeshState) -> Iterator[tuple[Service, str, ServicePort]]:
    for service in state.kubernetes_services:
        for port in service.ports:
            if port.protocol != "UDP":
                yield from ((service, address, port) for address in service.addresses)


def _networks(state: MeshState) -> list[IPv4Network]:
    """Where cluster IPs are."""
    if "kube-proxy networks" not in state.memo:
        known = (address for each in state.kubernetes_services for address in each.addresses)
        state.memo["kube-proxy networks"] = service_networks(known)
    found: list[IPv4Network] = state.memo["kube-proxy networks"]
    return found


def _ranges(state: MeshState) -> list[dict[str, Any]]:
    return [
        {"address_prefix": str(each.network_address), "prefix_len": each.prefixlen}
        for each in _networks(state)
    ]


def _beginning(network: IPv4Network) -> str:
    """How its addresses begin in writing."""
    return ".".join(str(network.network_address).split(".")[: network.prefixlen // 8]) + "."


def _name(address: str, port: ServicePort) -> str:
    return f"{PASSTHROUGH}|{address}:{port.number}"


def note_destination(mesh: MeshConfig) -> list[dict[str, Any]]:
    """The network filters before an HTTP connection manager."""
    return [_set_filter_state(DESTINATION, "envoy.string", _ADDRESS)] if acts(mesh) else []


def routes(state: MeshState, port: int) -> list[Resource]:
    """The routes before ``allow_any``'s own, on the route configuration of *port*."""
    if "kube-proxy routes" not in state.memo:
        by_port: dict[int, list[Resource]] = defaultdict(list)
        for _, address, each in _published(state):
            by_port[each.number].append(route({"exact": f"{address}:{each.number}"}, _name(address, each)))
        state.memo["kube-proxy routes"] = by_port
    nowhere = [route({"prefix": _beginning(each)}, BLACK_HOLE) for each in _networks(state)]
    return [*state.memo["kube-proxy routes"].get(port, ()), *nowhere]


def route(destination: dict[str, str], cluster: str) -> Resource:
    """The route to *cluster* of what asked for *destination*, a ``StringMatcher`` of ``address:port``."""
    match = {"prefix": "/", "filter_state": [{"key": DESTINATION, "string_match": destination}]}
    action = {"cluster": cluster, "timeout": "0s", "max_grpc_timeout": "0s"}
    return {"name": "allow_any", "match": match, "route": action}


def catch_all_chain(state: MeshState, tcp_proxy: dict[str, Any]) -> dict[str, Any]:
    """The chain of ``virtualOutbound`` that takes cluster IPs; *tcp_proxy* leads nowhere by itself."""
    override = _set_filter_state("envoy.tcp_proxy.cluster", "", f"{PASSTHROUGH}|{_ADDRESS}")
    return {
        "name": "virtualOutbound-catchall-cluster-ip",
        "filter_chain_match": {"prefix_ranges": _ranges(state)},
        "filters": [override, tcp_proxy],
    }


def guard(state: MeshState) -> list[dict[str, Any]]:
    """The network filters that keep bytes for a cluster IP from leaving the machine."""
    if not acts(state.mesh):
        return []
    cluster_ips = [{"destination_ip": each} for each in _ranges(state)]
    rule = {"permissions": cluster_ips, "principals": [{"any": True}]}
    rules = {"action": "DENY", "policies": {"cluster-ip": rule}}
    config = typed("envoy.extensions.filters.network.rbac.v3.RBAC", rules=rules, stat_prefix="cluster_ip")
    return [{"name": "envoy.filters.network.rbac", "typed_config": config}]


def _set_filter_state(key: str, factory: str, text: str) -> dict[str, Any]:
    value: dict[str, Any] = {
        "object_key": key,
        "format_string": {"text_format_source": {"inline_string": text}},
    }
    if factory:
        value["factory_key"] = factory
    kind = "envoy.extensions.filters.network.set_filter_state.v3.Config"
    config = typed(kind, on_new_connection=[value])
    return {"name": "envoy.filters.network.set_filter_state", "typed_config": config}
