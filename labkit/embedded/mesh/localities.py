"""Where things are: region, zone and subzone, as labels of nodes say, or a pod's own ``istio-locality``.

A locality is written ``region/zone/subzone``; parts at the end may be missing. Empty: it is not known.
https://istio.io/latest/docs/tasks/traffic-management/locality-load-balancing/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labkit.embedded.objects import Obj, labels_of

OWN = "istio-locality"
REGION, ZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"
SUBZONE, HOSTNAME = "topology.istio.io/subzone", "kubernetes.io/hostname"
_FORMER = {REGION: "failure-domain.beta.kubernetes.io/region", ZONE: "failure-domain.beta.kubernetes.io/zone"}

Nodes = Mapping[str, Obj]
"""By name."""


def of_pod(pod: Obj, nodes: Nodes) -> str:
    """Where *pod* is."""
    own = of_labels(labels_of(pod))
    if own:
        return own
    labels = labels_of(nodes.get(str((pod.get("spec") or {}).get("nodeName") or ""), {}))
    parts = [labels.get(name) or labels.get(_FORMER.get(name, ""), "") for name in (REGION, ZONE, SUBZONE)]
    return "/".join(parts) if any(parts) else ""


def of_labels(labels: Mapping[str, str]) -> str:
    """What the label of a workload says; dots stand for slashes, which a label can't have."""
    given = labels.get(OWN, "")
    return given if "/" in given else given.replace(".", "/")


def parts_of(locality: str) -> tuple[str, str, str]:
    """Region, zone and subzone; empty where one is not said."""
    region, zone, subzone = [*locality.split("/", 2), "", ""][:3]
    return region, zone, subzone


def topology(locality: str, node: str = "") -> dict[str, str]:
    """The labels that istiod gives to what is in *locality*, on *node*."""
    region, zone, subzone = parts_of(locality)
    found = {REGION: region, ZONE: zone, SUBZONE: subzone, HOSTNAME: node}
    return {name: value for name, value in found.items() if value}


def node_of(pod: Obj) -> str:
    return str((pod.get("spec") or {}).get("nodeName") or "")


def fits(locality: str, rule: str) -> bool:
    """Whether *locality* is one that *rule* means, such as ``region/zone/*``."""
    wanted = zip(parts_of(locality), parts_of(rule), strict=True)
    (region, asked), *inner = wanted
    return asked in ("*", region) and all(each in ("", "*", own) for own, each in inner)


def distance(one: str, other: str) -> int:
    """0 in one subzone, 1 in one zone, 2 in one region, else 3."""
    for number, (own, its) in enumerate(zip(parts_of(one), parts_of(other), strict=True)):
        if own != its:
            return 3 - number
    return 0


Setting = Mapping[str, Any]
"""``LocalityLoadBalancerSetting`` in its JSON form."""
