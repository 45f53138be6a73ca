"""What pods request, and whether a node has that left (the plug-in NodeResourcesFit)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from labkit.embedded.objects import Obj
from labkit.embedded.quantities import amount

Amounts = dict[str, Decimal]
"""Resource → how much of it."""


@dataclass(frozen=True)
class Shortage:
    """A resource of which a node has too little left for a pod."""

    resource: str
    requested: Decimal
    used: Decimal
    capacity: Decimal

    @property
    def is_hopeless(self) -> bool:
        """Whether the whole node, emptied, has too little."""
        return self.requested > self.capacity

    @property
    def reason(self) -> str:
        """As kube-scheduler says it."""
        return "Too many pods" if self.resource == "pods" else f"Insufficient {self.resource}"


def shortages(pod: Obj, node: Obj, others: Iterable[Obj]) -> list[Shortage]:
    """What *node* lacks for *pod* while *others* are bound to it."""
    used = _total([{**requests_of(each), "pods": Decimal(1)} for each in others])
    capacity = _amounts((node.get("status") or {}).get("allocatable"))
    wanted = {"pods": Decimal(1), **requests_of(pod)}
    found = (
        Shortage(name, requested, used.get(name, Decimal()), capacity.get(name, Decimal()))
        for name, requested in wanted.items()
        if requested
    )
    return [each for each in found if each.used + each.requested > each.capacity]


def requests_of(pod: Obj) -> Amounts:
    """A pod's requests: its containers' and sidecars' together, or its most demanding init container's."""
    spec = pod.get("spec") or {}
    running = _total(map(_requests, spec.get("containers") or []))
    sidecars: Amounts = {}
    starting: Amounts = {}
    for container in spec.get("initContainers") or []:
        if container.get("restartPolicy") == "Always":
            sidecars = _total([sidecars, _requests(container)])
            starting = _largest(starting, sidecars)
        else:
            starting = _largest(starting, _total([sidecars, _requests(container)]))
    needed = _largest(_total([running, sidecars]), starting) | _requests(spec)
    return _total([needed, _amounts(spec.get("overhead"))])


def _requests(holder: Obj) -> Amounts:
    return _amounts((holder.get("resources") or {}).get("requests"))


def _amounts(resources: Obj | None) -> Amounts:
    return {name: amount(str(value)) for name, value in (resources or {}).items()}


def _total(parts: Iterable[Amounts]) -> Amounts:
    total: Amounts = defaultdict(Decimal)
    for part in parts:
        for name, number in part.items():
            total[name] += number
    return dict(total)


def _largest(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, Decimal()), other.get(name, Decimal())) for name in one | other}
