"""The kubelet's pauses between tries: 10 s, then twice as long each time, up to five minutes."""

from __future__ import annotations

LONGEST_SECONDS = 300.0
FORGIVEN_AFTER = 600.0
"""A run of that many seconds wipes the slate."""


class BackOff:
    """One row of growing pauses; where *free* tries are given, those come without one."""

    def __init__(self, first: float, *, free: int = 0) -> None:
        self._first, self._free = first, free
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._next, self._left = self._first, self._free

    def next(self) -> float:
        """The seconds to wait now."""
        if self._left:
            self._left -= 1
            return 0.0
        pause, self._next = self._next, min(self._next * 2, LONGEST_SECONDS)
        return pause


def duration(seconds: float) -> str:
    """As Go prints it: ``10s``, ``2m40s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
