"""Preemption: which less important pods have to go so that one can come (the plug-in DefaultPreemption)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labkit.embedded.node.scheduling.filters import Refusal, refusal
from labkit.embedded.node.scheduling.words import counted
from labkit.embedded.node.scheduling.world import World, priority_of
from labkit.embedded.objects import Obj, is_terminating, name_of

NOT_HELPFUL = Refusal(("Preemption is not helpful for scheduling",))
WAITS_FOR_VICTIMS = "not eligible due to a terminating pod on the nominated node."
NO_VICTIMS = Refusal(("No preemption victims found for incoming pod",))


@dataclass(frozen=True)
class Sacrifice:
    """A node that takes the pod once *victims* have gone."""

    node: Obj
    victims: list[Obj]


def preempt(pod: Obj, refusals: Mapping[str, Refusal], world: World) -> Sacrifice | str:
    """The cheapest sacrifice; where there is none, why, in kube-scheduler's words."""
    if (pod.get("spec") or {}).get("preemptionPolicy") == "Never":
        return "not eligible due to preemptionPolicy=Never."
    if _waits_for_victims(pod, world):
        return WAITS_FOR_VICTIMS
    found = {name: _sacrifice(pod, world.nodes[name], each, world) for name, each in refusals.items()}
    possible = [each for each in found.values() if isinstance(each, Sacrifice)]
    if possible:
        return min(possible, key=_cost)
    return counted({name: each for name, each in found.items() if isinstance(each, Refusal)})


def _waits_for_victims(pod: Obj, world: World) -> bool:
    node = world.nodes.get((pod.get("status") or {}).get("nominatedNodeName") or "")
    return node is not None and any(is_terminating(each) for each in _lesser(pod, node, world))


def _lesser(pod: Obj, node: Obj, world: World) -> list[Obj]:
    return [each for each in world.on(node) if priority_of(each) < priority_of(pod)]


def _sacrifice(pod: Obj, node: Obj, why: Refusal, world: World) -> Sacrifice | Refusal:
    if why.is_hopeless:
        return NOT_HELPFUL
    lesser = _lesser(pod, node, world)
    if not lesser:
        return NO_VICTIMS
    left = refusal(pod, node, world.without(lesser))
    return left or Sacrifice(node, _victims(pod, node, lesser, world))


def _victims(pod: Obj, node: Obj, lesser: list[Obj], world: World) -> list[Obj]:
    """As few as possible: each may stay, the most important first, that leaves room enough."""
    victims = list(lesser)
    for each in sorted(lesser, key=lambda each: (-priority_of(each), _start(each))):
        others = [other for other in victims if other is not each]
        if refusal(pod, node, world.without(others)) is None:
            victims = others
    return victims


def _start(pod: Obj) -> str:
    return str((pod.get("status") or {}).get("startTime") or "~")


def _cost(sacrifice: Sacrifice) -> tuple[int, int, int, str]:
    priorities = [priority_of(each) for each in sacrifice.victims]
    return max(priorities), sum(priorities), len(priorities), name_of(sacrifice.node)
