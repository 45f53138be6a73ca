"""Where routes lead: what VirtualServices say of it, and what the routes say that were made from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from labkit.kube.api.api import Obj
from labkit.kube.mesh.destinations import short_host
from labkit.kube.mesh.route_words import rule
from labkit.kube.mesh.virtual_services import Find, delegates_of, routes_of

RuleName: TypeAlias = tuple[str, str]
"""Name and namespace of a VirtualService."""
Way: TypeAlias = tuple[tuple[str, str, int], ...]
"""Where a route leads: host (``name.namespace``), subset, weight."""


@dataclass(frozen=True)
class Wanted:
    """What the VirtualServices of some namespaces say."""

    rules: dict[RuleName, list[Way] | None]
    """Where each route of each VirtualService shall lead; None where one may not see its delegate."""
    namespaces: list[str]

    def fault_of(self, found: RuleName, way: Way) -> str:
        """Why a route of *found* that leads *way* is no longer what is wanted; nothing where it is."""
        if found in self.rules:
            led = self.rules[found]
            is_right = led is None or way in led
            return "" if is_right else f"a route of VirtualService {found[0]} leads elsewhere"
        gone = f"it has a route of VirtualService {found[0]}, which is gone"
        return gone if self.knows(found[1]) else ""

    def knows(self, namespace: str) -> bool:
        """Whether all that the VirtualServices of *namespace* say is here."""
        return "" in self.namespaces or namespace in self.namespaces


def wanted_by(virtual_services: Iterable[Obj], namespaces: list[str]) -> Wanted:
    """What all *virtual_services* of *namespaces* say."""
    objects = {(one["metadata"]["name"], one["metadata"]["namespace"]): one for one in virtual_services}
    found = Wanted({}, namespaces)
    for name, obj in objects.items():
        is_readable = all(found.knows(namespace) for namespace, _ in delegates_of(obj))
        led = wanted_ways(obj, lambda namespace, other: objects.get((other, namespace)))
        found.rules[name] = led if is_readable else None
    return found


def wanted_ways(virtual_service: Obj, find: Find = lambda namespace, name: None) -> list[Way]:
    """Where each of its routes shall lead; those of its delegates are found by *find*."""
    return [
        _way(
            (one.host, one.subset, weight) for one, weight in zip(way.destinations, way.weights, strict=True)
        )
        for way in routes_of(virtual_service, find)
    ]


def ways(route_config: Obj) -> Iterator[tuple[RuleName, Way]]:
    """For each route of Envoy's *route_config* made from a VirtualService: its name, and where it leads."""
    for host in route_config.get("virtual_hosts") or []:
        for route in host.get("routes") or []:
            if (found := rule(route)) != ("", ""):
                yield found, _way(_clusters(route.get("route") or {}))


def _clusters(action: Obj) -> Iterator[tuple[str, str, int]]:
    weighted = (action.get("weighted_clusters") or {}).get("clusters")
    for one in weighted or ([{"name": action["cluster"]}] if "cluster" in action else []):
        _, _, subset, host = one["name"].split("|") if one["name"].count("|") == 3 else ("", "", "", "")
        yield short_host(host), subset, int(one.get("weight", 0 if weighted else 100))


def _way(targets: Iterable[tuple[str, str, int]]) -> Way:
    """As Istio does: one destination needs no weight, and of several those with 0 are left out."""
    found = list(targets)
    some = [target for target in found if target[2]] if len(found) > 1 else found
    if len(some) == 1:
        return ((*some[0][:2], 100),)
    return tuple(sorted(some))
