"""The control plane's log, in istiod's form: time, level, scope, message."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable


class IstiodLog:
    """Writes lines such as ``2026-01-31T12:00:00.000000Z␉info␉ads␉…`` to a container's log."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def info(self, scope: str, message: str) -> None:
        self._line("info", scope, message)

    def warn(self, scope: str, message: str) -> None:
        self._line("warn", scope, message)

    def error(self, scope: str, message: str) -> None:
        self._line("error", scope, message)

    def _line(self, level: str, scope: str, message: str) -> None:
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        for line in message.splitlines() or [""]:
            self._write(f"{now}\t{level}\t{scope}\t{line}")
