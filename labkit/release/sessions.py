"""Destinations that keep a session with one of their pods: a sentence about what this does to a split.

Istio chooses a route's destination by the weights for each request, and within it the pod by the hash that a
DestinationRule asks for (``loadBalancer.consistentHash``): that a caller stays with one pod of three says
nothing against the weights.
https://istio.io/latest/docs/reference/config/networking/destination-rule/#LoadBalancerSettings-ConsistentHashLB
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.errors import LabkitError
from labkit.kube.api.api import Api, Obj
from labkit.kube.mesh.backends import destination_rules, pods_behind
from labkit.kube.mesh.destinations import Destination
from labkit.language import gettext


def sessions(api: Api, destinations: Mapping[str, Destination], caller: str) -> str:
    """A sentence about those of *destinations* (by name) that keep a session with one of several pods.

    Nothing where none does, or the cluster does not say. caller: the namespace that the requests come from.
    """
    try:
        told = [_told(api, name, one, caller) for name, one in destinations.items()]
    except LabkitError:
        return ""
    found = [words for words in told if words]
    end = gettext(
        ": the weights choose between destinations for each request, and not between the pods of one."
    )
    return "; ".join(found) + end if found else ""


def _told(api: Api, name: str, destination: Destination, caller: str) -> str:
    key = next(
        (
            key
            for rule in destination_rules(api, destination.host, caller)
            if (key := _key(rule, destination))
        ),
        "",
    )
    pods = len(pods_behind(api, destination, caller) or ()) if key else 0
    return (
        gettext(
            "{name} keeps a session (by {key}) with one of its {pods} pods", name=name, key=key, pods=pods
        )
        if pods > 1
        else ""
    )


def _key(rule: Obj, destination: Destination) -> str:
    """What a session is known by; nothing where this DestinationRule keeps none."""
    for policy in _policies(rule["spec"], destination):
        if balancer := policy.get("loadBalancer"):
            return _words(balancer.get("consistentHash") or {})
    return ""


def _policies(spec: Obj, destination: Destination) -> Iterator[Obj]:
    """The traffic policies for *destination*, the one that counts first."""
    subsets = [one for one in spec.get("subsets") or [] if one.get("name") == destination.subset]
    for owner in (*subsets, spec):
        policy = owner.get("trafficPolicy") or {}
        for one in policy.get("portLevelSettings") or []:
            if destination.port and (one.get("port") or {}).get("number") == destination.port:
                yield one
        yield policy


def _words(given: Mapping[str, Any]) -> str:
    if given.get("useSourceIp"):
        return gettext("the caller's address")
    if cookie := given.get("httpCookie"):
        return gettext("the cookie {cookie}", cookie=cookie.get("name"))
    for field, what in (
        ("httpHeaderName", gettext("the header")),
        ("httpQueryParameterName", gettext("the query parameter")),
    ):
        if given.get(field):
            return f"{what} {given[field]}"
    return ""
