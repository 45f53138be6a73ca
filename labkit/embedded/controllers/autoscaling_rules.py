"""How fast an autoscaler may grow and shrink: stabilization windows, policies, the bounds.

``normalizeDesiredReplicasWithBehaviors`` of ``pkg/controller/podautoscaler``; an autoscaler that says nothing
of its behaviour has the default one.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from labkit.embedded import scaling
from labkit.embedded.objects import Obj

_DOWNSCALE_WINDOW = 300
_LONGEST = 3600.0  # seconds that anything is remembered

Told = tuple[str, str, str, str]
"""A condition: type, status, reason, message."""


@dataclass
class Memory:
    """What was recommended, and what was done, of late."""

    recommended: list[tuple[float, int]] = field(default_factory=list)
    changes: list[tuple[float, int]] = field(default_factory=list)

    def note(self, change: int) -> None:
        """A change of size that was made."""
        self.changes.append((time.monotonic(), change))

    def recommend(self, replicas: int, current: int) -> None:
        """Remember a recommendation, and forget old ones; before the first it was the *current* size."""
        if not self.recommended:
            self.recommended.append((time.monotonic(), current))
        now = time.monotonic()
        self.recommended = [each for each in self.recommended if now - each[0] < _LONGEST]
        self.changes = [each for each in self.changes if now - each[0] < _LONGEST]
        self.recommended.append((now, replicas))

    def within(self, seconds: float) -> list[int]:
        """The recommendations of the last *seconds*."""
        now = time.monotonic()
        return [replicas for at, replicas in self.recommended if now - at < seconds]

    def changed(self, seconds: float) -> tuple[int, int]:
        """(added, removed) in the last *seconds*."""
        now = time.monotonic()
        recent = [change for at, change in self.changes if now - at <= seconds]
        return sum(each for each in recent if each > 0), -sum(each for each in recent if each < 0)


def limited(spec: Obj, memory: Memory, current: int, wanted: int) -> tuple[int, list[Told]]:
    """How many there are to be, of those that are *wanted*, and what is to be told of it."""
    behavior = spec.get("behavior") or {}
    up, down = behavior.get("scaleUp") or scaling.UP, behavior.get("scaleDown") or scaling.DOWN
    memory.recommend(wanted, current)
    stable, told = _stabilized(memory, current, wanted, up, down)
    final, reason, message = _bounded(spec, memory, current, stable, up, down)
    if final == stable:
        within = "the desired count is within the acceptable range"
        return final, [told, ("ScalingLimited", "False", "DesiredWithinRange", within)]
    return final, [told, ("ScalingLimited", "True", reason, message)]


def _stabilized(memory: Memory, current: int, wanted: int, up: Obj, down: Obj) -> tuple[int, Told]:
    least = min([wanted, *memory.within(up.get("stabilizationWindowSeconds", 0))])
    most = max([wanted, *memory.within(down.get("stabilizationWindowSeconds", _DOWNSCALE_WINDOW))])
    found = min(max(current, least), most)
    if found == wanted:
        return found, ("AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size")
    if wanted > current:
        said = "recent recommendations were lower than current one, applying the lowest recent recommendation"
        return found, ("AbleToScale", "True", "ScaleUpStabilized", said)
    said = "recent recommendations were higher than current one, applying the highest recent recommendation"
    return found, ("AbleToScale", "True", "ScaleDownStabilized", said)


def _bounded(
    spec: Obj, memory: Memory, current: int, wanted: int, up: Obj, down: Obj
) -> tuple[int, str, str]:
    if wanted > current:
        limit = max(_up_limit(memory, current, up), current)
        if spec["maxReplicas"] <= limit and wanted > spec["maxReplicas"]:
            return (
                spec["maxReplicas"],
                "TooManyReplicas",
                "the desired replica count is more than the maximum replica count",
            )
        said = "the desired replica count is increasing faster than the maximum scale rate"
        return min(wanted, limit), "ScaleUpLimit", said
    if wanted < current:
        limit = min(_down_limit(memory, current, down), current)
        if spec["minReplicas"] >= limit and wanted < spec["minReplicas"]:
            return (
                spec["minReplicas"],
                "TooFewReplicas",
                "the desired replica count is less than the minimum replica count",
            )
        said = "the desired replica count is decreasing faster than the maximum scale rate"
        return max(wanted, limit), "ScaleDownLimit", said
    return wanted, "", ""


def _up_limit(memory: Memory, current: int, rules: Obj) -> int:
    if rules.get("selectPolicy") == "Disabled":
        return current
    found: list[int] = []
    for policy in rules["policies"]:
        added, removed = memory.changed(policy["periodSeconds"])
        start = current - added + removed
        grown = start + policy["value"] if policy["type"] == "Pods" else start * (1 + policy["value"] / 100)
        found.append(math.ceil(grown))
    return min(found) if rules.get("selectPolicy") == "Min" else max(found)


def _down_limit(memory: Memory, current: int, rules: Obj) -> int:
    if rules.get("selectPolicy") == "Disabled":
        return current
    found = []
    for policy in rules["policies"]:
        added, removed = memory.changed(policy["periodSeconds"])
        start = current - added + removed
        left = start - policy["value"] if policy["type"] == "Pods" else start * (1 - policy["value"] / 100)
        found.append(int(left))
    return max(found) if rules.get("selectPolicy") == "Min" else min(found)
