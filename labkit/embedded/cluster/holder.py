"""Who holds a lock: written into the locked file by its holder, believed only while the lock is held.

A pid alone says little: it may belong to another process by now, or to another machine that shares
the folder, or the file may be a copy. So the process's start time, the machine's boot and the file's
own number go with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from labkit.embedded.cluster.files import read_json
from labkit.embedded.node.processes.run_records import start_time_of

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_STATES = {"T": "stopped (SIGSTOP)", "t": "held by a debugger", "D": "waiting for a disk"}


@dataclass(frozen=True)
class Holder:
    """One process on one machine."""

    pid: int
    start_time: int
    boot: str
    host: str
    file: int
    """The inode of the file it signed."""

    @classmethod
    def of(cls, path: Path) -> Holder | None:
        """Who wrote itself into *path* last."""
        try:
            found = cls(**read_json(path))
            return found if path.stat().st_ino == found.file else None
        except (OSError, TypeError):
            return None  # nobody, or not yet

    @classmethod
    def unsigned(cls, pid: int, words: bytes) -> Holder | None:
        """The process *pid*, if it is one of this machine whose command line has *words*."""
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return None
        born = start_time_of(pid)
        return cls(pid, born, _boot(), socket.gethostname(), 0) if born and words in command else None

    @classmethod
    def sign(cls, descriptor: int) -> None:
        """Write this process into the open file *descriptor*; on a full disk it stays unsaid."""
        born = start_time_of(os.getpid()) or 0
        me = cls(os.getpid(), born, _boot(), socket.gethostname(), os.fstat(descriptor).st_ino)
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(asdict(me)).encode(), 0)

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
