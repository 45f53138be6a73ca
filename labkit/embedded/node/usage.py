"""How much processor and memory groups of processes use, from ``/proc``.

A process and all that descend from it are one group. Processor time is a rate between two looks; one is
taken every few seconds, so that an answer is about the last moments, and never about a whole day.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from labkit.embedded.interfaces import Usage

PERIOD = 15.0  # seconds between two looks
_SHORTEST = 1.0  # seconds that a rate is taken over
_TICK = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True)
class _Look:
    """Processor seconds a group had used at a moment of the machine's uptime."""

    at: float
    cpu: float


class UsageMeter:
    """Remembers the last looks at groups, by the process each descends from."""

    def __init__(self) -> None:
        self._looks: dict[int, tuple[_Look, ...]] = {}

    def look(self, roots: Iterable[int]) -> None:
        """Take a look at the groups of *roots*, and forget all others."""
        self._looks = {
            root: (*self._looks.get(root, ())[-1:], found)
            for root in roots
            if (found := _look(family(root))) is not None
        }

    def usage(self, root: int) -> Usage | None:
        """What the group of *root* uses; None where it is gone."""
        members = family(root)
        now = _look(members)
        began = _began(root)
        if now is None or began is None:
            return None
        earlier = [each for each in self._looks.get(root, ()) if now.at - each.at >= _SHORTEST]
        before = earlier[-1] if earlier else _Look(began, 0.0)
        window = max(now.at - before.at, 1 / _TICK)
        return Usage(max(now.cpu - before.cpu, 0.0) / window, sum(map(_memory, members)), window)


def family(root: int) -> list[int]:
    """*root* and all that descend from it."""
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += _children(pid)
    return found


def _children(pid: int) -> Iterator[int]:
    try:
        for thread in (_PROC / str(pid) / "task").iterdir():
            yield from map(int, (thread / "children").read_text().split())
    except OSError:  # it is gone, or a kernel without the file
        return


def _look(members: Iterable[int]) -> _Look | None:
    times = [found for pid in members if (found := _fields(pid))]
    if not times:
        return None
    ticks = sum(sum(map(int, each[11:15])) for each in times)  # their own, and of children that have ended
    return _Look(time.clock_gettime(time.CLOCK_BOOTTIME), ticks / _TICK)


def _fields(pid: int) -> list[str]:
    """``/proc/PID/stat`` behind the name: the state is first."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _began(pid: int) -> float | None:
    fields = _fields(pid)
    return int(fields[19]) / _TICK if fields else None


def _memory(pid: int) -> int:
    """Bytes, what is shared in shares; where the kernel does not tell, all of it."""
    try:
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return int((_PROC / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
