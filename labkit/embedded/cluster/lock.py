"""A lock that dies with its holder: ``flock`` on a file, so no pid file can be stale.

The file tells who holds it, see :mod:`.holder`. Ctrl-C may come in the very moment in which a lock is let go
of, and then what was begun is undone under the same lock: so a thread never waits for what it has left open
itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

from labkit.embedded.cluster.holder import Holder

_Key = tuple[str, Path, int]

_opened: dict[_Key, FileIO] = {}
"""What for, which file, by which thread: the open files that locks hang on until they are closed."""


def try_lock(path: Path) -> int | None:
    """The descriptor that holds the lock until it is closed, or ``None`` where somebody else has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not _taken(descriptor, fcntl.LOCK_EX):
        os.close(descriptor)
        return None
    Holder.sign(descriptor)
    return descriptor


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock on *path*; a file that is not there is not locked."""
    with contextlib.suppress(FileNotFoundError), _open("ask", path, os.O_RDONLY) as file:
        # Shared, so that two askers never take each other for the holder.
        return not _taken(file.fileno(), fcntl.LOCK_SH)
    return False


@contextlib.contextmanager
def locked(
    path: Path, timeout: float, waiting: Callable[[Holder | None], None] | None = None
) -> Iterator[None]:
    """Hold the lock on *path*; TimeoutError after *timeout* seconds of waiting for another holder.

    *waiting* is told, once, whom it waits for.
    """
    deadline = time.monotonic() + timeout
    while True:
        with _open("hold", path, os.O_RDWR | os.O_CREAT) as file:
            if _taken(file.fileno(), fcntl.LOCK_EX):
                Holder.sign(file.fileno())
                yield
                return
        if waiting:
            waiting(Holder.of(path))
            waiting = None
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)  # flock has no timeout of its own


@contextlib.contextmanager
def _open(purpose: str, path: Path, flags: int) -> Iterator[FileIO]:
    key = purpose, path, threading.get_ident()
    if left := _opened.get(key):
        left.close()
    # Kept before it is locked: no lock is held whose file is not known.
    _opened[key] = file = FileIO(path, opener=lambda name, _: os.open(name, flags, 0o600))
    try:
        yield file
    finally:
        file.close()
        # What Ctrl-C cut off here is ended whenever it is collected, and the file may be another's by then.
        if _opened.get(key) is file:
            _opened.pop(key, None)


def _taken(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
