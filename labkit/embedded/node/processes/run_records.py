"""Which processes we started: one small file each, from birth to death.

A pid alone may have passed to somebody else's process, so a record also holds the start time the
kernel gives; only a process that matches both is ours. ``labkit clean`` ends what is left by these
records and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

RECORDS = "processes"
"""The folder of the records, in a cluster's run folder."""

KILL_LIMIT = 5.0
"""Seconds that the killed are waited for: as long as one lives, its addresses are taken."""


@dataclass(frozen=True)
class RunRecord:
    """One process of ours."""

    pid: int
    start_time: int
    """Field 22 of ``/proc/PID/stat``: clock ticks after boot."""
    what: str
    """For people: ``namespace/pod/container``."""
    folder: str = ""
    """Where the record was written: in a copy of the folder it names another cluster's process."""


def start_time_of(pid: int) -> int | None:
    """When process *pid* started, in the kernel's ticks; ``None`` where there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold spaces
    return None if fields[0] == "Z" else int(fields[19])


class RunRecords:
    """The records in *directory*."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def add(self, pid: int, what: str) -> None:
        """Record the process *pid*, just born; a full disk costs the record, not the process."""
        record = RunRecord(pid, start_time_of(pid) or 0, what, self._folder)
        with contextlib.suppress(OSError):
            self.directory.mkdir(parents=True, exist_ok=True)
            self._path(pid).write_text(json.dumps(asdict(record)))

    def remove(self, pid: int) -> None:
        """Forget *pid*: it has died."""
        with contextlib.suppress(OSError):
            self._path(pid).unlink()

    def alive(self) -> list[RunRecord]:
        """The recorded processes that still run; records of the dead are removed."""
        found = []
        for record in list(self._read()):
            if record.folder == self._folder and start_time_of(record.pid) == record.start_time:
                found.append(record)
            else:
                self.remove(record.pid)
        return found

    def kill_all(self) -> list[RunRecord]:
        """End, with their process groups, all that still runs; returns what that was, once it is gone."""
        strays = self.alive()
        for record in strays:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(record.pid, signal.SIGKILL)
        deadline = time.monotonic() + KILL_LIMIT
        while any(start_time_of(each.pid) == each.start_time for each in strays):
            if time.monotonic() > deadline:
                break  # waiting for a disk, say: it dies when that answers
            time.sleep(0.005)  # not our children, and older kernels have no pidfds to wait for
        for record in strays:
            self.remove(record.pid)
        return strays

    @property
    def _folder(self) -> str:
        return str(self.directory.resolve())

    def _read(self) -> Iterator[RunRecord]:
        for path in self.directory.glob("*.json"):
            with contextlib.suppress(OSError, ValueError, TypeError):
                yield RunRecord(**json.loads(path.read_text()))

    def _path(self, pid: int) -> Path:
        return self.directory / f"{pid}.json"
