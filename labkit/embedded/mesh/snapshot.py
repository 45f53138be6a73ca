"""What a proxy shall have: Envoy's resources by type, in proto3 JSON form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Resource: TypeAlias = dict[str, Any]
"""One Envoy resource in proto3 JSON form, ``@type`` inside every Any (not at the top)."""

CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
ENDPOINT = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
ROUTE = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"

PUSH_ORDER = (CLUSTER, ENDPOINT, LISTENER, ROUTE)
"""Make before break: what is referred to goes out before what refers to it."""


@dataclass(frozen=True)
class Snapshot:
    """Everything one proxy shall have: by type, name → resource."""

    clusters: Mapping[str, Resource]
    endpoints: Mapping[str, Resource]
    listeners: Mapping[str, Resource]
    routes: Mapping[str, Resource]

    def of_type(self, type_url: str) -> Mapping[str, Resource]:
        """The resources of an xDS type URL; KeyError for a type the mesh does not speak."""
        return dict(zip(PUSH_ORDER, self._by_type(), strict=True))[type_url]

    def _by_type(self) -> tuple[Mapping[str, Resource], ...]:
        return self.clusters, self.endpoints, self.listeners, self.routes

    def __iter__(self) -> Iterator[tuple[str, Mapping[str, Resource]]]:
        """(type URL, resources), in push order."""
        return iter(zip(PUSH_ORDER, self._by_type(), strict=True))
