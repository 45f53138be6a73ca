"""What time it is, and how to wait: given to whatever waits, so that its tests need no real time."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Moments, and waiting for later ones."""

    def time(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds on a clock that is never set."""

    def sleep(self, seconds: float) -> None:
        """Wait *seconds*."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until *event* is set, *seconds* at most; whether it is."""


class _System:
    """The computer's own."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return event.wait(seconds)


SYSTEM: Clock = _System()
