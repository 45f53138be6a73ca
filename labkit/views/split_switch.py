"""The button that starts and pauses a stream: the page turns it at once, the kernel when it hears of it.

A press passes through a dozen threads of four processes before a kernel's answer is in the page. Where the
computer is busy, each of them waits for its turn; the eye need not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import traitlets

from labkit.language import gettext, gettext_noop
from labkit.views.live_figure import PAGE
from labkit.views.page_words import Speaking

_WORDS = (
    gettext_noop("Done"),
    gettext_noop("Start"),
    gettext_noop("Starting"),
    gettext_noop("Pause"),
    gettext_noop("Pausing"),
)


class Switch(Speaking):
    """*press* is told what is wanted, when that is another thing than what is."""

    _esm = (PAGE / "switch.js").read_text()

    wanted = traitlets.Bool(False).tag(sync=True)
    """What it was pressed for: to run, or to rest."""
    running = traitlets.Bool(False).tag(sync=True)
    """What is."""
    done = traitlets.Bool(False).tag(sync=True)
    """Nothing is left to start."""

    def __init__(self, press: Callable[[bool], None], **traits: Any) -> None:
        super().__init__(_WORDS, **traits)
        self._press = press
        self.observe(self._turned, "wanted")

    def show(self, *, running: bool, done: bool) -> None:
        """How things are now."""
        with self.hold_sync():
            self.running, self.done = running, done
            self.wanted = running

    def click(self) -> None:
        """As a press in the page."""
        self.wanted = not self.wanted

    @property
    def face(self) -> str:
        """What stands on it once the page has heard."""
        return gettext("Done") if self.done else gettext("Pause") if self.running else gettext("Start")

    def _turned(self, change: Any) -> None:
        if change["new"] != self.running:
            self._press(change["new"])
