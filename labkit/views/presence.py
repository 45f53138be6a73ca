"""Whether anybody has a view before them.

A front end doesn't tell the kernel that a notebook was closed or its page left. So a small widget in the
view says every few seconds that it is there, and stops with the view. The silence is counted in turns of the
kernel's loop, not by the clock: while a cell runs, the kernel hears nobody and counts nothing either.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Any

from labkit.clock import SYSTEM, Clock
from labkit.language import gettext_noop
from labkit.views.live_figure import PAGE
from labkit.views.page_words import Speaking

_WORDS = (gettext_noop("The kernel that made this is gone. Run the cell again to go on."),)

PATIENCE = 10
"""Seconds without a sign until nobody is there."""


class Presence(Speaking):
    """Part of a view. ``came`` is called when the view appears (again), ``went`` when nobody has it any more.

    Before the first sign nobody is missed: the page may still be loading, or there is none.
    """

    _esm = (PAGE / "presence.js").read_text()

    def __init__(self, came: Callable[[], None], went: Callable[[], None], *, clock: Clock = SYSTEM) -> None:
        super().__init__(_WORDS)
        self._clock = clock
        self.here, self._silent = False, 0
        self.turned = self._clock.monotonic()
        """When the kernel's loop last turned."""
        self._came, self._went = _weak(came), _weak(went)
        self.on_msg(_heard)
        _look_again(weakref.ref(self))

    def hear(self) -> None:
        """A sign of the view."""
        self._silent, self.turned = 0, self._clock.monotonic()
        if not self.here:
            self.here = True
            self._came()

    def look(self) -> None:
        """Once a second of the kernel's leisure."""
        self._silent, self.turned = self._silent + 1, self._clock.monotonic()
        if self.here and self._silent >= PATIENCE:
            self.here = False
            self._went()


def _weak(call: Callable[[], None]) -> Callable[[], None]:
    method = weakref.WeakMethod(call)

    def wanted() -> None:
        if found := method():
            found()

    return wanted


def _heard(presence: Presence, content: dict[str, Any], _: object) -> None:
    if content.get("here"):
        presence.hear()


def _look_again(presence: weakref.ref[Presence], *, look: bool = False) -> None:
    found = presence()
    if found is None or found.comm is None:  # closed
        return
    if look:
        found.look()
    try:
        asyncio.get_running_loop().call_later(1, lambda: _look_again(presence, look=True))
    except RuntimeError:
        return  # no loop, no front end
