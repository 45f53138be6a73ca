"""The resource types every proxy is told, in the order in which they are told."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from typing import TypeVar


class Type(enum.Enum):
    """A type of resource.

    THE ORDER MATTERS: clusters before their endpoints, both before the listeners and routes that
    send traffic to them. A route that names a cluster Envoy has not got answers 503.
    """

    CLUSTER = "CDS", "envoy.config.cluster.v3.Cluster"
    ENDPOINT = "EDS", "envoy.config.endpoint.v3.ClusterLoadAssignment"
    LISTENER = "LDS", "envoy.config.listener.v3.Listener"
    ROUTE = "RDS", "envoy.config.route.v3.RouteConfiguration"
    SECRET = "SDS", "envoy.extensions.transport_sockets.tls.v3.Secret"

    def __init__(self, service: str, message: str) -> None:
        self.service = service
        """The discovery service's short name, as ``istioctl proxy-status`` prints it."""
        self.message = message
        self.url = f"type.googleapis.com/{message}"

    @property
    def is_wildcard(self) -> bool:
        """Whether a proxy always wants all of them; the others it asks for by name."""
        return self in (Type.CLUSTER, Type.LISTENER)

    @classmethod
    def of_url(cls, url: str) -> Type | None:
        """The type with *url*, if it is one that is served."""
        return _BY_URL.get(url)


_BY_URL = {each.url: each for each in Type}


R = TypeVar("R")


def by_kind(resources: Iterable[tuple[str, R]]) -> Iterator[tuple[Type, R]]:
    """(type URL, …) as (type, …)."""
    yield from ((_BY_URL[url], each) for url, each in resources)
