"""A lock that dies with its holder: ``flock`` on a file, so no pid file can be stale.

The file tells who holds it, see :mod:`.holder`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from labkit.embedded.cluster.holder import Holder


def try_lock(path: Path) -> int | None:
    """The descriptor that holds the lock until it is closed, or ``None`` where somebody else has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    Holder.sign(descriptor)
    return descriptor


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock on *path*; a file that is not there is not locked."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two askers never take each other for the holder.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def locked(
    path: Path, timeout: float, waiting: Callable[[Holder | None], None] | None = None
) -> Iterator[None]:
    """Hold the lock on *path*; TimeoutError after *timeout* seconds of waiting for another holder.

    *waiting* is told, once, whom it waits for.
    """
    deadline = time.monotonic() + timeout
    while (descriptor := try_lock(path)) is None:
        if waiting:
            waiting(Holder.of(path))
            waiting = None
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)  # flock has no timeout of its own
    try:
        yield
    finally:
        os.close(descriptor)
