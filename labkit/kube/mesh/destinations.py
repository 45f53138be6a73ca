"""Where a request may be sent: a host, one of its subsets, a port; the same name for it everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, order=True)
class Destination:
    """A host as ``name.namespace`` (any other as it is), a subset or none, a port or 0 for the only one."""

    host: str
    subset: str = ""
    port: int = 0

    @classmethod
    def of(cls, given: Mapping[str, Any], namespace: str) -> Destination:
        """The ``destination`` of a route of a VirtualService in *namespace*."""
        port = (given.get("port") or {}).get("number") or 0
        return cls(
            full_host(str(given.get("host") or ""), namespace), str(given.get("subset") or ""), int(port)
        )

    @classmethod
    def of_cluster(cls, cluster: str) -> Destination | None:
        """The destination that ``upstream_cluster`` of an access log stands for; None for no service's."""
        direction, *rest = cluster.split("|")
        if direction != "outbound" or len(rest) != 3:
            return None
        port, subset, host = rest
        return cls(short_host(host), subset, int(port) if port.isdigit() else 0)

    def takes(self, other: Destination) -> bool:
        """Whether what went to *other* went here: a port that is not named is any."""
        same = (self.host, self.subset) == (other.host, other.subset)
        return same and (0 in (self.port, other.port) or self.port == other.port)

    def __str__(self) -> str:
        return f"{self.host} (subset {self.subset})" if self.subset else self.host


def full_host(host: str, namespace: str) -> str:
    """*host* as ``name.namespace``: a name without a dot is one of the rule's own *namespace*, but ``*``."""
    return short_host(host) if "." in host or host.startswith("*") else f"{host}.{namespace}"


def short_host(host: str) -> str:
    """A Service's ``name.namespace``, whatever the cluster's domain; any other host as it is."""
    return host.partition(".svc.")[0] if ".svc." in host else host.removesuffix(".svc")
