"""Ctrl-C while a rule is changed: it ends the shift at once, but never the putting back of the rule.

The first one is raised as usual. From then on (and from :meth:`Interruption.defer` on) more of them only
count; who insists is let go by the third.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_INSISTS = 3


class Interruption:
    """A context in which SIGINT is taken so; in the main thread, for no other is ever interrupted."""

    def __init__(self) -> None:
        self._former: Any = None
        self._deferred = False
        self._count = 0

    @property
    def insisted(self) -> bool:
        """Whether somebody wants out, whatever becomes of the rule."""
        return self._count >= _INSISTS

    def defer(self) -> None:
        """Raise no more for now."""
        self._deferred = True

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread() and callable(
            signal.getsignal(signal.SIGINT)
        ):
            self._former = signal.signal(signal.SIGINT, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._former is not None:
            signal.signal(signal.SIGINT, self._former)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._deferred:
            self._count += 1
            if not self.insisted:
                return
        self._deferred = True
        self._former(number, frame)
