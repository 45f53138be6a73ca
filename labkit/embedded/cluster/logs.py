"""The daemon's own log: JSON lines for people and machines, rotated, so that it never fills a disk."""

from __future__ import annotations

import json
import logging
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path

MAX_BYTES = 2_000_000
OLD_FILES = 2


class JsonLines(logging.Formatter):
    """``{"time": …, "level": …, "part": …, "message": …}``, with ``traceback`` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "part": record.name.removeprefix("labkit.embedded."),
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def begin(path: Path) -> None:
    """Send everything this process logs to *path*."""
    handler = RotatingFileHandler(
        path, maxBytes=MAX_BYTES, backupCount=OLD_FILES, encoding="utf-8", errors="backslashreplace"
    )
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # A full disk must not stop the cluster from running, nor be told line by line on stderr.
    logging.raiseExceptions = False
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def last_lines(path: Path, count: int = 5) -> list[str]:
    """The last *count* lines of *path* as a person reads them; empty where there is no file."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
    except OSError:
        return []
    return [_readable(line) for line in lines]


def _readable(line: str) -> str:
    try:
        entry = json.loads(line)
        return f"{entry['level']}: {entry['part']}: {entry['message']}"
    except (ValueError, KeyError, TypeError):
        return line
