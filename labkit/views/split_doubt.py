"""Whether it is the mesh itself that is broken, while a split panel hears of no answer that is any good."""

from __future__ import annotations

from collections.abc import Callable

from labkit.clock import SYSTEM, Clock
from labkit.views.split_background import Looking

_PATIENCE = 3.0
"""Seconds without a good answer after which the mesh is looked at."""
_LOOK = 1.0
"""Seconds between two such looks."""


class Doubt:
    """Asks *trouble* for what is broken, in a thread of its own, while there is reason to.

    running: whether requests are being sent. tell: is told what is broken; nothing when it works again.
    """

    def __init__(
        self,
        trouble: Callable[[], str],
        running: Callable[[], bool],
        tell: Callable[[str], None],
        *,
        clock: Clock = SYSTEM,
    ) -> None:
        self._trouble, self._running, self._tell, self._clock = trouble, running, tell, clock
        self._well_at, self.told = clock.monotonic(), ""
        self._looking = Looking(self.look, _LOOK)

    def start(self) -> None:
        """The stream starts, or goes on."""
        self._well_at = self._clock.monotonic()
        self._looking.start()

    def all_is_well(self) -> None:
        """A good answer came."""
        self._well_at = self._clock.monotonic()
        self._say("")

    def look(self) -> None:
        """Look at the mesh, if it is time to."""
        since = self._well_at
        if self._running() and self._clock.monotonic() - since > _PATIENCE:
            words = self._trouble()
            if since == self._well_at:  # else a good answer came meanwhile
                self._say(words)

    def close(self) -> None:
        """End it."""
        self._looking.close()

    def _say(self, words: str) -> None:
        if words != self.told:
            self.told = words
            self._tell(words)
