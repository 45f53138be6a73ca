"""What goes on behind a split panel: a look at the rule now and then, and the reading of access logs."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence

import pandas as pd

from labkit.errors import LabkitError
from labkit.release.attribution import Tell, Told, by_nobody

_LOOK = 0.5
"""Seconds between two looks at the rule."""
_READ = 0.4
"""Seconds between two looks at the access logs."""


class _Background:
    """A thread that does something again and again until closed; started once, if at all."""

    def __init__(self, name: str, pause: float) -> None:
        self._name, self._pause = name, pause
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Nothing happens where it is running, or was closed."""
        if self._thread is None and not self._over.is_set():
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def close(self, timeout: float = 10.0) -> None:
        """End it, and wait until the thread is gone. Closing twice is fine."""
        self._over.set()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._over.wait(self._pause):
            self._once()

    def _once(self) -> None:
        raise NotImplementedError


class Looking(_Background):
    """Calls *look* twice a second, or every *pause* seconds."""

    def __init__(self, look: Callable[[], None], pause: float = _LOOK) -> None:
        super().__init__("labkit-look", pause)
        self._once = look  # type: ignore[method-assign]


class Attributing(_Background):
    """Has answers told apart by what needs its time for that: all that have come since the last time."""

    def __init__(self, count: Callable[[pd.DataFrame, Sequence[Told]], None]) -> None:
        super().__init__("labkit-attribution", _READ)
        self._count = count
        self._waiting: queue.SimpleQueue[tuple[pd.DataFrame, Tell]] = queue.SimpleQueue()

    def put(self, rows: pd.DataFrame, tell: Tell) -> None:
        """Some answers, and who tells them apart."""
        self._waiting.put((rows, tell))
        self.start()

    def _once(self) -> None:
        found = []
        while not self._waiting.empty():
            found.append(self._waiting.get())
        if not found:
            return
        rows, tell = pd.concat([rows for rows, _ in found], ignore_index=True), found[-1][1]
        try:
            told = tell(rows)
        except LabkitError:  # the cluster is gone: the panel says so
            told = by_nobody(rows)
        self._count(rows, told)
