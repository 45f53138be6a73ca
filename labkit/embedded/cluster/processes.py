"""The processes of a running cluster and the memory they take, asked of the kernel."""

from __future__ import annotations

import re
from pathlib import Path

PROC = Path("/proc")


def of(daemon: int) -> dict[int, str]:
    """The daemon and all below it: pid → the name of its program."""
    found, waiting = {}, [daemon]
    while waiting:
        pid = waiting.pop()
        try:
            found[pid] = "daemon" if pid == daemon else (PROC / str(pid) / "comm").read_text().strip()
            waiting += _children(pid)
        except OSError:
            continue  # it ended meanwhile
    return found


def _children(pid: int) -> list[int]:
    lists = [path.read_text() for path in (PROC / str(pid) / "task").glob("*/children")]
    return [int(child) for text in lists for child in text.split()]


def memory(pid: int) -> int:
    """Bytes of memory that *pid* takes, its part of what it shares included (PSS); 0 where it is gone."""
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
