"""The kubelet's own look at a pod before its first start (``kubelet/lifecycle``, ``predicateAdmitHandler``).

It matters to pods that name their node themselves, and so were never seen by the scheduler.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from labkit.embedded.interfaces import Client
from labkit.embedded.node.scheduling.filters import NO_FREE_PORTS, NOT_SELECTED, no_free_ports
from labkit.embedded.node.scheduling.resources import Shortage, shortages
from labkit.embedded.node.scheduling.world import World
from labkit.embedded.objects import Obj
from labkit.embedded.selectors import matches_node
from labkit.embedded.taints import taints_of, untolerated

KNOWN = ("pods", "cpu", "memory", "ephemeral-storage")
"""Resources that a kubelet looks at; it takes a pod that wants others of which its node knows nothing."""


@dataclass(frozen=True)
class Rejection:
    """Why the node won't take a pod: an event's reason and message."""

    reason: str
    message: str


def rejection(client: Client, name: str, pod: Obj) -> Rejection | None:
    """Why the node called *name* won't take *pod*; None where it takes it, or had it before."""
    node = client.find("nodes", name)
    if node is None or (pod.get("status") or {}).get("startTime"):
        return None
    world = _admitted(World.seen_by(client, pod))
    lacking = [each for each in shortages(pod, node, world.on(node)) if each.resource in KNOWN]
    if lacking:
        return _out_of(lacking[0])
    if not matches_node(pod, node):
        return _failed("NodeAffinity", NOT_SELECTED)
    if no_free_ports(pod, node, world):
        return _failed("NodePorts", NO_FREE_PORTS)
    if any(untolerated(pod, taints_of(node, "NoExecute"))):
        return _failed("TaintToleration", "node(s) had taints that the pod didn't tolerate")
    return None


def _admitted(world: World) -> World:
    """Only with the pods that were taken before."""
    return world.without(
        [each for each, _ in world.placed if not (each.get("status") or {}).get("startTime")]
    )


def _failed(predicate: str, why: str) -> Rejection:
    return Rejection(predicate, f"Predicate {predicate} failed: {why}")


def _out_of(lack: Shortage) -> Rejection:
    unit = Decimal("0.001") if lack.resource == "cpu" else Decimal(1)
    amounts = (f"{round(each / unit)}" for each in (lack.requested, lack.used, lack.capacity))
    requested, used, capacity = amounts
    message = (
        f"Node didn't have enough resource: {lack.resource}, "
        f"requested: {requested}, used: {used}, capacity: {capacity}"
    )
    return Rejection(f"OutOf{lack.resource}", message)
