"""Views with buttons that do something to the cluster: one thing at a time, seen while it runs.

A click is a message to the kernel, which works through its messages one by one; so an action waits for
the cell that runs, and the next cell waits for the action, as a learner expects. A second click made
meanwhile is a message too and would come right after the first was done. Therefore the view stays deaf
for a moment after an action, until what was waiting is through.
"""

from __future__ import annotations

import asyncio
import html
from collections.abc import Callable
from functools import partial
from typing import Any

import ipywidgets as widgets

from labkit import markup
from labkit.errors import LabkitError
from labkit.language import gettext
from labkit.markup import BAD
from labkit.views.live import LiveView

_DEAF_SECONDS = 0.25


class ActionView(LiveView):
    """Buttons, a line that says what is going on, and room for what came of it."""

    def __init__(self) -> None:
        self.buttons: dict[str, widgets.Button] = {}
        """By what stands on them."""
        self.head = widgets.HTML()
        self.status = widgets.HTML()
        self.result = widgets.HTML()
        self.busy = False

    def button(
        self, text: str, work: Callable[[], None], *, icon: str, tip: str, style: str = ""
    ) -> widgets.Button:
        """A button that does *work* when nothing else is being done."""
        made = widgets.Button(
            description=text, icon=icon, tooltip=tip, button_style=style, layout={"width": "auto"}
        )
        made.on_click(lambda _: self.act(work))
        self.buttons[text] = made
        return made

    def act(self, work: Callable[[], None]) -> None:
        """Do *work* with all buttons off; what goes wrong becomes a sentence."""
        if self.busy:
            return
        self._set_busy(True)
        try:
            work()
        except (Exception, KeyboardInterrupt) as error:
            self.say("")
            self.result.value = _failure(error)
        finally:
            _soon(partial(self._set_busy, False))

    def say(self, words: str) -> None:
        """What is going on, for eyes and for screen readers."""
        self.status.value = (
            f'<div role="status" aria-live="polite">{html.escape(words)}</div>' if words else ""
        )

    def _set_busy(self, busy: bool) -> None:
        self.busy = busy
        for button in self.buttons.values():
            button.disabled = busy

    def __repr__(self) -> str:
        return str(self.still()["text/plain"])

    def left_behind(self) -> dict[str, Any]:
        """Its text, and how to get the buttons back."""
        still, again = self.still(), markup.lines([gettext("Run this cell again to get its buttons back.")])
        return {"text/plain": still["text/plain"], "text/html": still["text/html"] + again}

    def still(self) -> dict[str, Any]:
        """Text and HTML that say the same."""
        raise NotImplementedError


def _failure(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        words = gettext("You stopped it. Press the button again to go on.")
    elif isinstance(error, LabkitError):
        words = str(error)
    else:
        words = gettext(
            "This should not have happened ({name}: {error}). Please tell the lab's authors.",
            name=type(error).__name__,
            error=error,
        )
    lines = html.escape(words).replace("\n", "<br>")
    return f'<div role="alert"><b style="color:{BAD}">✗</b> {lines}</div>'


def _soon(work: Callable[[], None]) -> None:
    """Do *work* when the messages that wait now are through; at once where no loop runs."""
    try:
        asyncio.get_running_loop().call_later(_DEAF_SECONDS, work)
    except RuntimeError:
        work()
