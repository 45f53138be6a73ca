"""What is passed through to a pod's port that this account may not open, and that is really another one.

``PassthroughCluster`` dials the destination its caller asked for. Of such a port nobody is there
(:mod:`labkit.embedded.low_ports`), and a cluster can lead to but one other port. So there is one for each
that a pod declares or has opened, or a Service leads to, ``PassthroughCluster|:<port>``, for the pods'
addresses alone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from labkit.embedded.addresses import is_pods
from labkit.embedded.low_ports import moved
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.pods import container_ports
from labkit.embedded.mesh.snapshot import Resource
from labkit.embedded.mesh.translate.clusters import kube_proxy
from labkit.embedded.mesh.translate.clusters.outbound import passthrough_cluster
from labkit.embedded.mesh.translate.naming import PASSTHROUGH

_POD_NETWORK = 17
"""Bits of an address that all pods of a cluster share."""


def name(port: int) -> str:
    """Of the cluster for the pods' port *port*."""
    return f"{PASSTHROUGH}|:{port}"


def ports(state: MeshState) -> list[int]:
    """The pods' ports of that kind; none where nothing is passed through."""
    if "low ports" not in state.memo:
        known = sorted(set(_known(state))) if kube_proxy.acts(state.mesh) else []
        state.memo["low ports"] = [each for each in known if moved(each, state.lowest_port) != each]
    found: list[int] = state.memo["low ports"]
    return found


def _known(state: MeshState) -> Iterator[int]:
    for pod in state.pods.values():
        yield from (number for _, number in container_ports(pod))
    for opened in state.open_ports.values():
        yield from opened
    for service in state.kubernetes_services:
        for endpoints in service.endpoints.values():
            yield from (each.port for each in endpoints if is_pods(each.address))


def clusters(state: MeshState) -> dict[str, Resource]:
    """By name."""
    return {name(port): _cluster(state, port) for port in ports(state)}


def _cluster(state: MeshState, port: int) -> Resource:
    led = {"upstream_port_override": moved(port, state.lowest_port)}
    made = {**passthrough_cluster(state), "name": name(port), "original_dst_lb_config": led}
    del made["upstream_bind_config"]  # to a pod one comes from a pod
    return made


def routes(state: MeshState, port: int) -> list[Resource]:
    """The routes before ``allow_any``'s own, on the route configuration of *port*."""
    if port not in ports(state):
        return []
    networks = {str(each.network_address).rsplit(".", 2)[0] + "." for each in _networks(state)}
    return [kube_proxy.route({"prefix": each}, name(port)) for each in sorted(networks)]


def chains(state: MeshState, port: int, onward: Resource, others: Sequence[Resource]) -> list[Resource]:
    """The chains of ``virtualOutbound`` for *port*: to pods *onward*, and as *others* say to all the rest.

    Where Envoy has a chain for a port it looks at no other.
    """
    networks = _networks(state)
    if not networks:
        return []
    ranges = [
        {"address_prefix": str(each.network_address), "prefix_len": each.prefixlen} for each in networks
    ]
    match = {"prefix_ranges": ranges}
    own = {"name": "virtualOutbound-catchall-pods", "filter_chain_match": match, "filters": [onward]}
    return [_on_port(each, port) for each in (own, *others)]


def _on_port(chain: Resource, port: int) -> Resource:
    match = {**(chain.get("filter_chain_match") or {}), "destination_port": port}
    return {**chain, "name": f"{chain['name']}-{port}", "filter_chain_match": match}


def _networks(state: MeshState) -> list[ipaddress.IPv4Network]:
    """Where the cluster's pods are."""
    found = (str((pod.get("status") or {}).get("podIP") or "") for pod in state.pods.values())
    pods = {ipaddress.IPv4Network(f"{each}/{_POD_NETWORK}", strict=False) for each in found if is_pods(each)}
    return sorted(pods)
