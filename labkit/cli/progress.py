"""What a person sees while waiting: a spinner on a terminal, plain lines in a file or a pipe."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.status import Status

TICK, CROSS, NOTE = "✔", "✘", "!"

PATIENCE = 2.0
"""Seconds after which a file or a pipe is told, too, what is being waited for."""


class Progress:
    """Lines that stay (``done``) above one line that changes (``doing``)."""

    def __init__(self) -> None:
        self._status: Status | None = None
        self._late: threading.Timer | None = None
        self.began = time.monotonic()

    def __enter__(self) -> Progress:
        if sys.stdout.isatty():
            from rich.console import Console

            self._status = Console().status("", spinner=_spinner())
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._settle()
        if self._status:
            self._status.stop()

    def doing(self, what: str) -> None:
        """What is going on now: a terminal shows it at once, a file or a pipe once it has taken a moment."""
        self._settle()
        if self._status:
            self._status.update(what)
        else:
            self._late = threading.Timer(PATIENCE, print, [f"… {what}"], {"flush": True})
            self._late.daemon = True
            self._late.start()

    def _settle(self) -> None:
        """What was going on is not any more."""
        if self._late:
            self._late.cancel()
            self._late = None

    def done(self, what: str) -> None:
        """One thing is done."""
        self.line(f"{TICK} {what}")

    def note(self, what: str) -> None:
        """Something worth knowing."""
        self.line(f"{NOTE} {what}")

    def failed(self, what: str) -> None:
        """One thing went wrong."""
        self.line(f"{CROSS} {what}")

    def line(self, text: str) -> None:
        """A line that stays, as it is."""
        self._settle()
        if self._status:
            self._status.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, flush=True)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.began


def _spinner() -> str:
    """Dots of Braille, or plain ones where the terminal's encoding has no others."""
    return "dots" if (sys.stdout.encoding or "").lower().replace("-", "") == "utf8" else "line"


@contextlib.contextmanager
def progress() -> Iterator[Progress]:
    """A Progress for one command."""
    with Progress() as shown:
        yield shown
