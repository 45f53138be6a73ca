"""The recent changes of each resource, for watches that resume.

Kept in memory only: after a restart every older revision is answered 410, and clients list again.
A length per resource, not one for all, so that busy pods don't push out a quiet service.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

from labkit.embedded.objects import Obj
from labkit.embedded.status import expired

KEPT_PER_RESOURCE = 300


@dataclass(frozen=True, slots=True)
class Change:
    """One write. *previous* is the state before it, ``None`` for ADDED."""

    revision: int
    type: Literal["ADDED", "MODIFIED", "DELETED"]
    resource: str
    object: Obj
    previous: Obj | None


class History:
    """Bounded, per resource; knows from which revision on it is whole."""

    def __init__(self, floor: int, kept: int = KEPT_PER_RESOURCE) -> None:
        self._start = floor
        self._kept = kept
        self._changes: dict[str, deque[Change]] = {}
        self._floors: dict[str, int] = {}

    def append(self, change: Change) -> None:
        """Remember *change*; the oldest of its resource goes where there are too many."""
        changes = self._changes.setdefault(change.resource, deque())
        changes.append(change)
        if len(changes) > self._kept:
            self._floors[change.resource] = changes.popleft().revision

    def floor(self, resource: str) -> int:
        """The oldest revision after which no change of *resource* is missing."""
        return self._floors.get(resource, self._start)

    def since(self, resource: str, revision: int) -> list[Change]:
        """All changes after *revision*, oldest first; ApiError 410 where some are forgotten."""
        floor = self.floor(resource)
        if revision < floor:
            raise expired(f"too old resource version: {revision} ({floor})")
        return [change for change in self._changes.get(resource, ()) if change.revision > revision]
