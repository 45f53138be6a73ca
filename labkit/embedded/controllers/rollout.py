"""How far a rollout may go in one step: the arithmetic of maxSurge, maxUnavailable and scaling.

Pure functions over a Deployment (``found``) and its ReplicaSets, as in
``pkg/controller/deployment/{rolling,sync}.go``. Each yields (ReplicaSet, new size).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from labkit.embedded.integers import unsigned
from labkit.embedded.objects import Obj, annotations_of, name_of

DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"

Size = tuple[Obj, int]


def desired(found: Obj) -> int:
    """``spec.replicas``."""
    return int(found["spec"].get("replicas", 1))


def size(each: Obj) -> int:
    """How many pods a ReplicaSet is asked for."""
    return int(each["spec"].get("replicas", 1))


def total(sets: list[Obj]) -> int:
    """How many pods all *sets* are asked for."""
    return sum(map(size, sets))


def ready_long_enough(each: Obj) -> int:
    """``status.availableReplicas``."""
    return int(each.get("status", {}).get("availableReplicas", 0))


def sizes(found: Obj) -> dict[str, str]:
    """The annotations by which a ReplicaSet remembers for which Deployment size it was last scaled."""
    return {DESIRED: str(desired(found)), MAXIMUM: str(desired(found) + limits(found)[0])}


def limits(found: Obj) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in pods; both zero after rounding means one may be unavailable."""
    strategy = found["spec"].get("strategy", {})
    if strategy.get("type") == "Recreate":
        return 0, 0
    rolling = strategy.get("rollingUpdate") or {}
    surge = _number(rolling.get("maxSurge", "25%"), desired(found), math.ceil)
    unavailable = _number(rolling.get("maxUnavailable", "25%"), desired(found), math.floor)
    return surge, min(unavailable, desired(found)) if surge or unavailable else 1


def _number(limit: int | str, replicas: int, rounded: Callable[[float], int]) -> int:
    if isinstance(limit, int):
        return limit
    return rounded(int(limit.rstrip("%")) * replicas / 100)


def new_size(found: Obj, new: Obj, old: list[Obj]) -> int:
    """How large the new ReplicaSet may be now."""
    wanted = desired(found)
    if size(new) > wanted:
        return wanted
    room = wanted + limits(found)[0] - size(new) - total(old)
    return size(new) + max(0, min(room, wanted - size(new)))


def old_sizes(found: Obj, new: Obj, old: list[Obj]) -> Iterator[Size]:
    """The old ReplicaSets (oldest first) that may shrink now: first by unhealthy pods, then by others."""
    least = desired(found) - limits(found)[1]
    new_missing = size(new) - ready_long_enough(new)
    spare = total([new, *old]) - least - new_missing
    left = {name_of(each): size(each) for each in old}
    for each in old:
        unhealthy = max(0, min(spare, size(each) - ready_long_enough(each)))
        left[name_of(each)] -= unhealthy
        spare -= unhealthy
    spare = min(spare, sum(map(ready_long_enough, [new, *old])) - least)
    for each in old:
        fewer = max(0, min(spare, left[name_of(each)]))
        left[name_of(each)] -= fewer
        spare -= fewer
        if left[name_of(each)] != size(each):
            yield each, left[name_of(each)]


def is_scaled(found: Obj, sets: list[Obj]) -> bool:
    """Whether ``spec.replicas`` has changed since the active *sets* were last scaled."""
    wanted = str(desired(found))
    return any(size(each) and annotations_of(each).get(DESIRED, wanted) != wanted for each in sets)


def resized(found: Obj, new: Obj | None, old: list[Obj]) -> Iterator[Size]:
    """After a change of ``spec.replicas``: one active ReplicaSet takes it all, several take their share."""
    sets = [*old, *([new] if new else [])]
    active = [each for each in sets if size(each)]
    if len(active) <= 1:
        yield from ((each, desired(found)) for each in (active or sets[-1:]))
    elif new and _is_saturated(found, new):
        yield from ((each, 0) for each in active if each is not new)
    elif found["spec"].get("strategy", {}).get("type") != "Recreate":
        yield from _shares(found, active)


def _is_saturated(found: Obj, new: Obj) -> bool:
    wanted = desired(found)
    remembered = annotations_of(new).get(DESIRED)
    return (size(new), ready_long_enough(new), remembered) == (wanted, wanted, str(wanted))


def _shares(found: Obj, active: list[Obj]) -> Iterator[Size]:
    """Each of the *active* ReplicaSets (oldest first) grows or shrinks in proportion.

    What rounding leaves over goes to the largest (of equals the newer when growing, the older when
    shrinking); what it can't shrink by, to the next.
    """
    allowed = desired(found) + limits(found)[0] if desired(found) else 0
    change = allowed - total(active)
    largest_first = sorted(reversed(active) if change > 0 else active, key=lambda each: -size(each))
    added: list[int] = []
    for each in largest_first:
        share, left = _share(found, each), change - sum(added)
        added.append(min(share, left) if change > 0 else max(share, left))
    over = change - sum(added)
    for each, more in zip(largest_first, added, strict=True):
        wanted = max(0, size(each) + more + over)
        over -= wanted - size(each) - more
        yield each, wanted


def _share(found: Obj, each: Obj) -> int:
    """By how many pods *each* changes to keep its part of the whole."""
    if not desired(found):
        return -size(each)
    text = annotations_of(each).get(MAXIMUM, "")
    before = unsigned(text)
    if before is None:
        before = int(found.get("status", {}).get("replicas", 0))
    if not before:
        return 0
    exact = size(each) * (desired(found) + limits(found)[0]) / before
    return math.floor(exact + 0.5) - size(each)
