"""A picture that changes while it is shown, and never falls behind.

The page says when it has drawn a piece, and only then it is sent the next one, with all that has come
meanwhile; so nothing queues, however slow the page or the line to it. A view that appears (again) is sent
everything. While a cell runs, most kernels hear nobody: as long as its loop stands still, a piece goes
out once a second all the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labkit.clock import SYSTEM, Clock
from labkit.views.page_words import Speaking

PAGE = Path(__file__).parent / "page"
PAUSE = 0.6
"""Seconds between two pieces."""
_DEAF = 2.5
"""Seconds without a turn of the kernel's loop, which turns at least once a second."""
_ONCE = 1.0
"""Seconds between two pieces that nobody could ask for."""

Piece = dict[str, Any]


class LiveFigure(Speaking):
    """A subclass names its page code, as anywidget wants it (``_esm``, ``_css``).

    It may name what that says, too (``_messages``).

    *piece* makes what is to be drawn, with True everything; it is called by whichever thread has news.

    turned: when the kernel's loop last turned, by the *clock* (``monotonic()``).
    """

    _messages: tuple[str, ...] = ()

    def __init__(
        self, piece: Callable[[bool], Piece], turned: Callable[[], float], *, clock: Clock = SYSTEM
    ) -> None:
        super().__init__(self._messages)
        self._piece, self._turned, self._clock = piece, turned, clock
        self._lock = threading.Lock()
        self._number, self._sent = 0, 0.0
        self._shown = self._is_stale = self._is_awaited = self._is_other = self._is_urgent = False
        self.on_msg(_heard)

    def renew(self, *, whole: bool = False, at_once: bool = False) -> None:
        """There is something new to draw, with *whole* another picture; in any thread.

        Often in a second is fine: what need not be seen *at_once* is sent every :data:`PAUSE` seconds.
        """
        with self._lock:
            self._is_stale = True
            self._is_other |= whole
            self._is_urgent |= whole or at_once
            if self._shown and (not self._is_awaited or self._kernel_is_deaf()):
                self._hand_over_in_time()

    def hear(self, content: Piece) -> None:
        """What the page says: ``{"shown": true}`` of a new view, ``{"drawn": number}`` of a piece."""
        with self._lock:
            if content.get("shown"):
                self._shown = True
                self._hand_over(whole=True)
            elif content.get("drawn") == self._number:
                self._is_awaited = False
                if self._is_stale:
                    self._hand_over_in_time()

    def _hand_over_in_time(self) -> None:
        """Each piece costs the page some work, most of it not for drawing."""
        if self._is_urgent or self._clock.monotonic() - self._sent >= PAUSE:
            self._hand_over(whole=self._is_other)

    def _kernel_is_deaf(self) -> bool:
        now = self._clock.monotonic()
        return now - self._turned() > _DEAF and now - self._sent > _ONCE

    def _hand_over(self, *, whole: bool) -> None:
        self._number += 1
        self._is_stale = self._is_other = self._is_urgent = False
        self._sent, self._is_awaited = self._clock.monotonic(), True
        self.send({"number": self._number, "whole": whole, **self._piece(whole)})


def _heard(figure: LiveFigure, content: Piece, _: object) -> None:
    figure.hear(content)
