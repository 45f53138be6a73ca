"""Endpoints: a cluster's addresses, grouped by locality."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from labkit.embedded.mesh.model import Resource
from labkit.embedded.mesh.services import Endpoint
from labkit.embedded.mesh.translate.naming import socket_address
from labkit.embedded.mesh.translate.telemetry import peers
from labkit.embedded.mesh.translate.tls import mutual

_UNIX = "unix://"


TakesTls = Callable[[Endpoint], bool]


def load_assignment(
    cluster: str, endpoints: Iterable[Endpoint], takes_tls: TakesTls = lambda _: False
) -> Resource:
    """The ClusterLoadAssignment of *cluster*; without endpoints it says so: Envoy waits for an answer.

    takes_tls: which of *endpoints* speak the mesh's mutual TLS.
    """
    localities: dict[str, list[Endpoint]] = defaultdict(list)
    for endpoint in endpoints:
        localities[endpoint.locality].append(endpoint)
    groups = [_locality(name, localities[name], takes_tls) for name in sorted(localities)]
    return {"cluster_name": cluster, "endpoints": groups}


def _locality(name: str, endpoints: list[Endpoint], takes_tls: TakesTls) -> dict[str, Any]:
    parts = dict(zip(("region", "zone", "sub_zone"), name.split("/"), strict=False)) if name else {}
    return {
        "locality": parts,
        "lb_endpoints": [_endpoint(each, takes_tls) for each in endpoints],
        "load_balancing_weight": sum(each.weight for each in endpoints),
    }


def _endpoint(endpoint: Endpoint, takes_tls: TakesTls) -> dict[str, Any]:
    address: dict[str, Any] = (
        {"pipe": {"path": endpoint.address.removeprefix(_UNIX)}}
        if endpoint.address.startswith(_UNIX)
        else socket_address(endpoint.address, endpoint.port)
    )
    told = peers.endpoint_metadata(endpoint.told) if endpoint.told else {}
    metadata = told | (mutual.endpoint_metadata() if takes_tls(endpoint) else {})
    found = {"endpoint": {"address": address}, "load_balancing_weight": endpoint.weight}
    return found | ({"metadata": {"filter_metadata": metadata}} if metadata else {})
