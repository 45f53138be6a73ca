"""The filters: why a pod can't be on a node, in kube-scheduler's words and in its order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from labkit.embedded.node.scheduling import pod_affinity
from labkit.embedded.node.scheduling.resources import shortages
from labkit.embedded.node.scheduling.world import World
from labkit.embedded.objects import Obj, labels_of
from labkit.embedded.selectors import matches_node
from labkit.embedded.taints import UNSCHEDULABLE, taints_of, untolerated

NOT_SELECTED = "node(s) didn't match Pod's node affinity/selector"
NO_FREE_PORTS = "node(s) didn't have free ports for the requested pod ports"
_SPREAD = "node(s) didn't match pod topology spread constraints"


@dataclass(frozen=True)
class Refusal:
    """Why a node can't take a pod."""

    reasons: tuple[str, ...]
    is_hopeless: bool = True
    """Whether no other pod's end would change it (``UnschedulableAndUnresolvable``)."""


Filter = Callable[[Obj, Obj, World], Refusal | None]


def refusal(pod: Obj, node: Obj, world: World) -> Refusal | None:
    """What the first filter that refuses *pod* on *node* says; None where it may go there."""
    return next((found for each in FILTERS if (found := each(pod, node, world))), None)


def _unschedulable(pod: Obj, node: Obj, _: World) -> Refusal | None:
    cordon = {"key": UNSCHEDULABLE, "effect": "NoSchedule"}
    if (node.get("spec") or {}).get("unschedulable") and any(untolerated(pod, [cordon])):
        return Refusal(("node(s) were unschedulable",))
    return None


def _tainted(pod: Obj, node: Obj, _: World) -> Refusal | None:
    taint = next(untolerated(pod, taints_of(node, "NoSchedule", "NoExecute")), None)
    if taint is None:
        return None
    return Refusal((f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value') or ''}}}",))


def _not_selected(pod: Obj, node: Obj, _: World) -> Refusal | None:
    return None if matches_node(pod, node) else Refusal((NOT_SELECTED,))


def no_free_ports(pod: Obj, node: Obj, world: World) -> Refusal | None:
    """NodePorts: a host port that another pod of *node* has."""
    taken = [port for other in world.on(node) for port in _host_ports(other)]
    if any(_collide(mine, other) for mine in _host_ports(pod) for other in taken):
        return Refusal((NO_FREE_PORTS,), is_hopeless=False)
    return None


HostPort = tuple[str, str, int]


def _host_ports(pod: Obj) -> Iterator[HostPort]:
    """(address, protocol, number) of the node's ports that *pod* wants."""
    spec = pod.get("spec") or {}
    for container in spec.get("containers") or []:
        for port in container.get("ports") or []:
            number = port.get("hostPort") or (spec.get("hostNetwork") and port["containerPort"])
            if number:
                yield port.get("hostIP") or "0.0.0.0", port.get("protocol") or "TCP", int(number)


def _collide(one: HostPort, other: HostPort) -> bool:
    addresses = {one[0], other[0]}
    return one[1:] == other[1:] and (len(addresses) == 1 or "0.0.0.0" in addresses)


def _too_full(pod: Obj, node: Obj, world: World) -> Refusal | None:
    found = shortages(pod, node, world.on(node))
    reasons = tuple(each.reason for each in found)
    return Refusal(reasons, any(each.is_hopeless for each in found)) if found else None


def _spread(pod: Obj, node: Obj, world: World) -> Refusal | None:
    constraints = list(pod_affinity.hard_constraints(pod))
    if not all(each["topologyKey"] in labels_of(node) for each in constraints):
        return Refusal((f"{_SPREAD} (missing required label)",))
    if any(pod_affinity.spreads_badly(each, pod, node, world) for each in constraints):
        return Refusal((_SPREAD,), is_hopeless=False)
    return None


def _company(pod: Obj, node: Obj, world: World) -> Refusal | None:
    if not pod_affinity.wants_others(pod, node, world):
        return Refusal(("node(s) didn't match pod affinity rules",))
    if pod_affinity.shuns_others(pod, node, world):
        return Refusal(("node(s) didn't match pod anti-affinity rules",), is_hopeless=False)
    if pod_affinity.is_shunned(pod, node, world):
        return Refusal(("node(s) didn't satisfy existing pods anti-affinity rules",), is_hopeless=False)
    return None


FILTERS: tuple[Filter, ...] = (
    _unschedulable,
    _tainted,
    _not_selected,
    no_free_ports,
    _too_full,
    _spread,
    _company,
)
