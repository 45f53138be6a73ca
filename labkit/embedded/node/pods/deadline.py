"""``activeDeadlineSeconds``: how long a pod may be active on its node, counted from its start time."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable

REASON = "DeadlineExceeded"
MESSAGE = "Pod was active on the node longer than the specified deadline"


class ActiveDeadline:
    """Calls *expired* once, when the time is up."""

    def __init__(self, start_time: str, expired: Callable[[], None]) -> None:
        self._start, self._expired = dt.datetime.fromisoformat(start_time), expired
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: int | None) -> None:
        """Count anew, for *seconds* from the start; without, for ever."""
        self.cancel()
        if seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(self.left(seconds), self._expired)

    def left(self, seconds: int) -> float:
        """How much of *seconds* is left; never less than nothing."""
        active = dt.datetime.now(dt.UTC) - self._start
        return max(seconds - active.total_seconds(), 0.0)

    def cancel(self) -> None:
        """Stop counting."""
        if self._timer:
            self._timer.cancel()
