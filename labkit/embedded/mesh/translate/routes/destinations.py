"""Where a rule sends requests: the cluster of a destination, its weight, its mirrors, its hashing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.embedded.mesh.durations import proto
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.services import Service
from labkit.embedded.mesh.translate.naming import outbound_cluster, without_empty
from labkit.embedded.mesh.translate.routes import headers as header_operations
from labkit.embedded.mesh.translate.routes.actions import fraction

Given = Mapping[str, Any]


@dataclass(frozen=True)
class Destinations:
    """How the hosts of one route configuration become clusters."""

    state: MeshState
    namespace: str
    """The proxy's, from which DestinationRules are looked up."""
    find: Callable[[str], Service | None]
    """A host's service, as this configuration knows it: in a sidecar cut down to one port."""
    port: int
    """Used where neither destination nor service says which."""

    def port_of(self, destination: Given) -> int:
        number = (destination.get("port") or {}).get("number")
        if number:
            return int(number)
        service = self.find(str(destination.get("host")))
        return service.ports[0].number if service and len(service.ports) == 1 else self.port

    def cluster(self, destination: Given) -> str:
        subset = str(destination.get("subset") or "")
        return outbound_cluster(self.port_of(destination), str(destination.get("host")), subset)

    def hash_policy(self, destination: Given) -> list[dict[str, Any]]:
        """``hash_policy`` for a destination whose DestinationRule asks for consistent hashing."""
        host = str(destination.get("host"))
        service = self.state.services_visible_from(self.namespace).get(host)
        owner = service.namespace if service else ""
        rule = self.state.destination_rules.lookup(host, self.namespace, owner)
        if rule is None:
            return []
        subset = next((each for each in rule.subsets if each.name == destination.get("subset")), None)
        return hash_policy(rule.policy_for(self.port_of(destination), subset))


def hash_policy(policy: Given) -> list[dict[str, Any]]:
    """Envoy's ``hash_policy`` for a traffic policy's ``loadBalancer.consistentHash``."""
    given = (policy.get("loadBalancer") or {}).get("consistentHash") or {}
    if given.get("httpHeaderName"):
        return [{"header": {"header_name": given["httpHeaderName"]}}]
    if given.get("httpCookie"):
        return [{"cookie": _cookie(given["httpCookie"])}]
    if given.get("useSourceIp"):
        return [{"connection_properties": {"source_ip": True}}]
    if given.get("httpQueryParameterName"):
        return [{"query_parameter": {"name": given["httpQueryParameterName"]}}]
    return []


def _cookie(given: Given) -> dict[str, Any]:
    ttl = proto(given["ttl"]) if given.get("ttl") else None
    return without_empty({"name": given.get("name"), "path": given.get("path"), "ttl": ttl})


def mirror_policies(rule: Given, destinations: Destinations) -> list[dict[str, Any]]:
    """``request_mirror_policies``: ``mirror`` and ``mirrors``; a share of 0 means none."""
    mirrors = []
    if rule.get("mirror"):
        mirrors.append(_mirror(rule["mirror"], _old_share(rule), destinations))
    for each in rule.get("mirrors") or []:
        mirrors.append(_mirror(each["destination"], _share(each.get("percentage")), destinations))
    return [each for each in mirrors if each is not None]


_ALL = {"numerator": 100, "denominator": "HUNDRED"}


def _old_share(rule: Given) -> dict[str, Any]:
    if rule.get("mirrorPercentage") is not None:
        return fraction(rule["mirrorPercentage"])
    if rule.get("mirrorPercent") is not None:
        return {"numerator": int(rule["mirrorPercent"]), "denominator": "HUNDRED"}
    return _ALL


def _share(percentage: Given | None) -> dict[str, Any]:
    return _ALL if percentage is None else fraction(percentage)


def _mirror(destination: Given, share: Given, destinations: Destinations) -> dict[str, Any] | None:
    if not share["numerator"]:
        return None
    return {
        "cluster": destinations.cluster(destination),
        "runtime_fraction": {"default_value": share},
        "trace_sampled": False,
        "disable_shadow_host_suffix_append": True,
    }


def weighted_clusters(routes: Sequence[Given], destinations: Destinations) -> list[dict[str, Any]]:
    """The entries of several destinations that have a weight; a missing one counts as 0."""
    return [_weighted(route, destinations) for route in routes if route.get("weight")]


def _weighted(route: Given, destinations: Destinations) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": destinations.cluster(route["destination"]),
        "weight": int(route["weight"]),
        **header_operations.header_operations(route.get("headers")),
    }
    host = header_operations.authority(route.get("headers"))
    return entry | ({"host_rewrite_literal": host} if host else {})
