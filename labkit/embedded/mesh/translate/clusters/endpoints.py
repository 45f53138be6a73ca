"""Endpoints: a cluster's addresses, grouped by locality."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from labkit.embedded.mesh.model import Resource
from labkit.embedded.mesh.services import Endpoint
from labkit.embedded.mesh.translate.naming import socket_address

_UNIX = "unix://"


def load_assignment(cluster: str, endpoints: Iterable[Endpoint]) -> Resource:
    """The ClusterLoadAssignment of *cluster*; without endpoints it says so: Envoy waits for an answer."""
    localities: dict[str, list[Endpoint]] = defaultdict(list)
    for endpoint in endpoints:
        localities[endpoint.locality].append(endpoint)
    groups = [_locality(name, localities[name]) for name in sorted(localities)]
    return {"cluster_name": cluster, "endpoints": groups}


def _locality(name: str, endpoints: list[Endpoint]) -> dict[str, Any]:
    parts = dict(zip(("region", "zone", "sub_zone"), name.split("/"), strict=False)) if name else {}
    return {
        "locality": parts,
        "lb_endpoints": [_endpoint(each) for each in endpoints],
        "load_balancing_weight": sum(each.weight for each in endpoints),
    }


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    address: dict[str, Any] = (
        {"pipe": {"path": endpoint.address.removeprefix(_UNIX)}}
        if endpoint.address.startswith(_UNIX)
        else socket_address(endpoint.address, endpoint.port)
    )
    return {"endpoint": {"address": address}, "load_balancing_weight": endpoint.weight}
