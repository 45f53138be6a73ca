"""The outside world as the lab plays it: hosts that the learner has entered, served by one pod.

``lab.outside`` makes that pod, in a namespace of its own; an annotation of it names the hosts. The mesh knows
nothing of it: no Service, no sidecar. The cluster's DNS answers for those names with the pod's address, as
the world's DNS would, and a proxy that is told to find such a host by DNS finds it there.

An ordinary account often can't open ports below 1024. So the pod listens on two ports beside them, too, and
whoever connects by way of a name or of the node is led there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from labkit.embedded.objects import Obj, annotations_of, namespace_of

NAMESPACE = "outside-world"
HOSTS = "labkit.dev/outside-hosts"
PORTS = {80: 8080, 443: 8443}
"""What the world's servers listen on → where this one surely does."""


def address_of(pods: Iterable[Obj], host: str) -> str | None:
    """Where *host* is played, if it is."""
    name = host.rstrip(".").lower()
    for pod in pods:
        address = (pod.get("status") or {}).get("podIP")
        if address and any(_fits(name, each) for each in _hosts(pod)):
            return str(address)
    return None


def port_at(pods: Iterable[Obj], address: str, port: int) -> int:
    """The port to take for *port* of *address*: another one where that is the outside world's."""
    theirs = (each for each in pods if _hosts(each))
    is_outside = any((each.get("status") or {}).get("podIP") == address for each in theirs)
    return PORTS.get(port, port) if is_outside else port


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
