"""Who holds a lock: written into the locked file by its holder, believed only while the lock is held.

A pid alone says little: it may belong to another process by now, or to another machine that shares
the folder. So the process's start time and the machine's boot go with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from labkit.embedded.cluster.files import read_json
from labkit.embedded.node.run_records import start_time_of

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_STATES = {"T": "stopped (SIGSTOP)", "t": "held by a debugger", "D": "waiting for a disk"}


@dataclass(frozen=True)
class Holder:
    """One process on one machine."""

    pid: int
    start_time: int
    boot: str
    host: str

    @classmethod
    def me(cls) -> Holder:
        """This process."""
        return cls(os.getpid(), start_time_of(os.getpid()) or 0, _boot(), socket.gethostname())

    @classmethod
    def of(cls, path: Path) -> Holder | None:
        """Who wrote itself into *path* last."""
        try:
            return cls(**read_json(path))
        except TypeError:
            return None  # nobody, or not yet

    def sign(self, descriptor: int) -> None:
        """Write it into the open file *descriptor*; on a full disk it stays unsaid."""
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(asdict(self)).encode(), 0)

    @property
    def is_alive(self) -> bool:
        """Whether this very process runs on this machine: only then may it be sent a signal."""
        return self.boot == _boot() and start_time_of(self.pid) == self.start_time

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is a process of another machine, or of another container of this one."""
        return (self.boot, self.host) != (_boot(), socket.gethostname())

    @property
    def is_stopped(self) -> bool:
        """Whether a SIGSTOP keeps it from everything."""
        return self.state == _STATES["T"]

    @property
    def state(self) -> str:
        """What keeps it from working, as far as the kernel says; or nothing."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return ""
        return _STATES.get(stat.rpartition(")")[2].split()[0], "")


def _boot() -> str:
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""
