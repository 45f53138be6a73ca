"""The mesh as the sidecars of one namespace see it, shared by all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

from labkit.embedded.mesh.hosts import covers
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.services import Service
from labkit.embedded.mesh.virtual_services import MeshIndex, VirtualService


class View:
    """Visible services and VirtualServices, indexed by port and host."""

    def __init__(self, state: MeshState, namespace: str) -> None:
        self.state = state
        self.namespace = namespace
        self.services = state.services_visible_from(namespace)
        self.virtual_services: MeshIndex = state.mesh_index(namespace)

    @cached_property
    def _ports(self) -> Mapping[int, Mapping[str, Service]]:
        """Port → host → the service cut down to that port, as istiod sees it while it builds the port's
        routes: a destination's other ports are not known there."""
        found: dict[int, dict[str, Service]] = defaultdict(dict)
        for service in self.services.values():
            for port in service.ports:
                found[port.number].setdefault(service.host, replace(service, ports=(port,)))
        return found

    def services_at(self, port: int) -> Mapping[str, Service]:
        """Host → service, of those that have *port*, oldest first."""
        return self._ports.get(port, {})

    def virtual_services_at(self, port: int) -> list[VirtualService]:
        """Those that can add something to the routes of *port*, in order of precedence.

        Port 80 takes every VirtualService: hosts that no registry knows are served there.
        """
        index = self.virtual_services
        if port == 80:
            return list(index.ordered)
        hosts = self.services_at(port)
        found = {each.config.full_name: each for host in hosts for each in self.virtual_services_for(host)}
        return sorted(found.values(), key=lambda each: index.rank[each.config.full_name])

    def virtual_services_for(self, host: str) -> list[VirtualService]:
        """Those that name *host*, then those with a wildcard that fits it, longest first."""
        index = self.virtual_services
        fitting = [pattern for pattern in index.wildcards if covers(pattern, host)]
        wildcards = sorted(fitting, key=len, reverse=True)
        return [each for pattern in (host, *wildcards) for each in index.naming(pattern)]

    def wildcard_owner(self, host: str) -> tuple[str, VirtualService] | None:
        """The longest wildcard for *host* and its first VirtualService; None where one names *host*."""
        index = self.virtual_services
        if index.naming(host):
            return None
        fitting = [pattern for pattern in index.wildcards if covers(pattern, host)]
        best = max(fitting, key=len, default=None)
        return (best, index.naming(best)[0]) if best is not None else None


def view_of(state: MeshState, namespace: str) -> View:
    """The view of *namespace*, made once for each state."""
    key = ("view", namespace)
    if key not in state.memo:
        state.memo[key] = View(state, namespace)
    view: View = state.memo[key]
    return view
