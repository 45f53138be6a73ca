"""How far a rolling update may go in one step: the arithmetic of maxSurge and maxUnavailable."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from labkit.embedded.objects import Obj, name_of


def desired(found: Obj) -> int:
    """``spec.replicas``."""
    return int(found["spec"].get("replicas", 1))


def size(each: Obj) -> int:
    """How many pods a ReplicaSet is asked for."""
    return int(each["spec"].get("replicas", 1))


def available(found: Obj) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in pods; both zero after rounding means one may be unavailable."""
    strategy = found["spec"].get("strategy", {})
    if strategy.get("type") == "Recreate":
        return 0, 0
    limits = strategy.get("rollingUpdate") or {}
    surge = _number(limits.get("maxSurge", "25%"), desired(found), math.ceil)
    unavailable = _number(limits.get("maxUnavailable", "25%"), desired(found), math.floor)
    return surge, unavailable if surge or unavailable else 1


def _number(limit: int | str, replicas: int, rounded: Callable[[float], int]) -> int:
    if isinstance(limit, int):
        return limit
    return rounded(int(limit.rstrip("%")) * replicas / 100)


def new_size(found: Obj, new: Obj, old: list[Obj]) -> int:
    """How large the new ReplicaSet may be now."""
    wanted = desired(found)
    if size(new) > wanted:
        return wanted
    surge, _ = available(found)
    room = wanted + surge - size(new) - sum(size(each) for each in old)
    return size(new) + max(0, min(room, wanted - size(new)))


def old_sizes(found: Obj, new: Obj, old: list[Obj]) -> Iterator[tuple[Obj, int]]:
    """The old ReplicaSets that may shrink now, and to what: first their unhealthy pods, then the rest."""
    _, unavailable = available(found)
    least = desired(found) - unavailable
    new_missing = size(new) - _status(new, "availableReplicas")
    total = size(new) + sum(size(each) for each in old)
    spare = total - least - new_missing
    sizes = {name_of(each): size(each) for each in old}
    for each in sorted(old, key=_age):
        unhealthy = min(spare, max(0, size(each) - _status(each, "availableReplicas")))
        sizes[name_of(each)] -= max(0, unhealthy)
        spare -= max(0, unhealthy)
    healthy = _status(new, "availableReplicas") + sum(_status(each, "availableReplicas") for each in old)
    spare = min(spare, healthy - least)
    for each in sorted(old, key=_age):
        fewer = max(0, min(spare, sizes[name_of(each)]))
        sizes[name_of(each)] -= fewer
        spare -= fewer
        if sizes[name_of(each)] != size(each):
            yield each, sizes[name_of(each)]


def _age(each: Obj) -> tuple[str, str]:
    return each["metadata"].get("creationTimestamp", ""), name_of(each)


def _status(each: Obj, field: str) -> int:
    return int(each.get("status", {}).get(field, 0))
