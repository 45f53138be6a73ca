"""Host names: short names, wildcards, and which of two is more specific."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from labkit.embedded.mesh.services import CLUSTER_DOMAIN


def service_host(name: str, namespace: str) -> str:
    """The FQDN of a Kubernetes Service."""
    return f"{name}.{namespace}.svc.{CLUSTER_DOMAIN}"


def resolve(host: str, namespace: str) -> str:
    """*host* as written in an object of *namespace*: a name without a dot is a Service beside it."""
    if "." in host or host.startswith("*"):
        return host.lower()
    return service_host(host, namespace).lower()


def is_wildcard(host: str) -> bool:
    return host.startswith("*")


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_cidr(address: str) -> bool:
    return "/" in address


def covers(pattern: str, host: str) -> bool:
    """Whether every host that *host* stands for is among those of *pattern*."""
    if is_wildcard(pattern):
        return host.removeprefix("*").endswith(pattern[1:])
    return pattern == host


def intersection(one: str, other: str) -> str | None:
    """The more specific of two hosts that overlap; None where they don't."""
    if covers(one, other):
        return other
    return one if covers(other, one) else None


def most_specific(host: str, patterns: Iterable[str]) -> str | None:
    """The pattern that fits *host* best: itself, else the longest wildcard."""
    found = [pattern for pattern in patterns if covers(pattern, host)]
    return max(found, key=lambda pattern: (pattern == host, len(pattern)), default=None)
