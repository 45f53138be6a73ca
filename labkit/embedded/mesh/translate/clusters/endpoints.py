"""Endpoints: a cluster's addresses, grouped by locality."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from labkit.embedded.mesh.container_files import UNIX
from labkit.embedded.mesh.localities import parts_of
from labkit.embedded.mesh.services import Endpoint
from labkit.embedded.mesh.snapshot import Resource
from labkit.embedded.mesh.translate.clusters.localities import Group, Spreading, grouped
from labkit.embedded.mesh.translate.naming import socket_address
from labkit.embedded.mesh.translate.telemetry import peers
from labkit.embedded.mesh.translate.tls import mutual

TakesTls = Callable[[Endpoint], bool]


def load_assignment(
    cluster: str,
    endpoints: Iterable[Endpoint],
    takes_tls: TakesTls = lambda _: False,
    spread: Spreading | None = None,
    sockets: Mapping[str, str] | None = None,
) -> Resource:
    """The ClusterLoadAssignment of *cluster*; without endpoints it says so: Envoy waits for an answer.

    takes_tls: which of *endpoints* speak the mesh's mutual TLS.
    spread: how they are shared out by where they are; by default all alike.
    sockets: the addresses of Unix sockets that the proxy has, and where; there is no way to any other.
    """
    groups = grouped(list(_placed(endpoints, sockets or {})))
    groups = spread(groups) if spread else groups
    return {"cluster_name": cluster, "endpoints": [_locality(each, takes_tls) for each in groups]}


def _placed(endpoints: Iterable[Endpoint], sockets: Mapping[str, str]) -> Iterator[Endpoint]:
    for each in endpoints:
        if not each.address.startswith(UNIX):
            yield each
        elif each.address in sockets:
            yield replace(each, address=UNIX + sockets[each.address])


def _locality(group: Group, takes_tls: TakesTls) -> dict[str, Any]:
    named = zip(("region", "zone", "sub_zone"), parts_of(group.locality), strict=True)
    priority = {"priority": group.priority} if group.priority else {}
    return {
        "locality": {name: part for name, part in named if part},
        "lb_endpoints": [_endpoint(each, takes_tls) for each in group.endpoints],
        "load_balancing_weight": group.weight,
        **priority,
    }


def _endpoint(endpoint: Endpoint, takes_tls: TakesTls) -> dict[str, Any]:
    address: dict[str, Any] = (
        {"pipe": {"path": endpoint.address.removeprefix(UNIX)}}
        if endpoint.address.startswith(UNIX)
        else socket_address(endpoint.address, endpoint.port)
    )
    told = peers.endpoint_metadata(endpoint.told) if endpoint.told else {}
    metadata = told | (mutual.endpoint_metadata() if takes_tls(endpoint) else {})
    found = {"endpoint": {"address": address}, "load_balancing_weight": endpoint.weight}
    return found | ({"metadata": {"filter_metadata": metadata}} if metadata else {})
