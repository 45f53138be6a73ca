"""The outside world as the lab plays it: hosts that the learner has entered, served by one pod.

``lab.outside`` makes that pod, in a namespace of its own; an annotation of it names the hosts. The mesh knows
nothing of it: no Service, no sidecar. The cluster's DNS answers for those names with the pod's address, as
the world's DNS would, and a proxy that is told to find such a host by DNS finds it there.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable

from labkit.embedded.objects import Obj, annotations_of, namespace_of

NAMESPACE = "outside-world"
HOSTS = "labkit.dev/outside-hosts"


def address_of(pods: Iterable[Obj], host: str) -> str | None:
    """Where *host* is played, if it is."""
    name = host.rstrip(".").lower()
    for pod in pods:
        address = (pod.get("status") or {}).get("podIP")
        if address and any(_fits(name, each) for each in _hosts(pod)):
            return str(address)
    return None


def address_within(pods: Collection[Obj], host: str) -> str | None:
    """As :func:`address_of`; *host* may be a wildcard, which any played host that it takes in will do for."""
    name = host.lower()
    known = (each for pod in pods for each in _hosts(pod)) if name.startswith("*.") else ()
    return address_of(pods, next((each for each in known if each.endswith(name[1:])), name))


def _fits(name: str, pattern: str) -> bool:
    return name == pattern or (pattern.startswith("*.") and name.endswith(pattern[1:]))


def _hosts(pod: Obj) -> list[str]:
    if namespace_of(pod) != NAMESPACE:
        return []
    try:
        found: list[str] = json.loads(annotations_of(pod).get(HOSTS, "[]"))
    except ValueError:
        return []
    return found
