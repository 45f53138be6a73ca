"""Where routes lead: what VirtualServices say of it, and what the routes say that were made from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from labkit.kube.api import Obj
from labkit.kube.destinations import full_host, short_host
from labkit.kube.route_words import rule

RuleName: TypeAlias = tuple[str, str]
"""Name and namespace of a VirtualService."""
Way: TypeAlias = tuple[tuple[str, str, int], ...]
"""Where a route leads: host (``name.namespace``), subset, weight."""


@dataclass(frozen=True)
class Wanted:
    """What the VirtualServices of some namespaces say."""

    rules: dict[RuleName, list[Way]]
    """Where each route of each VirtualService shall lead."""
    namespaces: list[str]

    def fault_of(self, found: RuleName, way: Way) -> str:
        """Why a route of *found* that leads *way* is no longer what is wanted; nothing where it is."""
        if found in self.rules:
            return "" if way in self.rules[found] else f"a route of VirtualService {found[0]} leads elsewhere"
        known = "" in self.namespaces or found[1] in self.namespaces
        return f"it has a route of VirtualService {found[0]}, which is gone" if known else ""


def wanted_ways(virtual_service: Obj) -> list[Way]:
    """Where each of its routes shall lead."""
    namespace = virtual_service["metadata"]["namespace"]
    return [
        _way(
            (
                full_host(target["destination"]["host"], namespace),
                target["destination"].get("subset", ""),
                int(target.get("weight", 0)),
            )
            for target in route.get("route") or []
        )
        for route in virtual_service["spec"].get("http") or []
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
