"""The daemon that holds a home's lock and is not simply running: it begins, ends, stands still, is elsewhere.

Signals go to nobody but the very process that wrote itself into the lock it holds.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from typing import TypeVar

from labkit.embedded.cluster.files import read_json
from labkit.embedded.cluster.holder import Holder
from labkit.embedded.cluster.home import Home
from labkit.embedded.cluster.lock import is_locked
from labkit.errors import ClusterError, StartFailed

Found = TypeVar("Found")

STEP = 0.01  # seconds between two looks: not our child, and older kernels have no pidfds to wait for

SIGNING = 0.2
"""Seconds within which whoever has just taken a lock has written itself into it."""


def which(holder: Holder | None) -> str:
    """`` (pid 4711)``, with its state where that says why it does nothing."""
    if holder is None:
        return ""
    state = f", {holder.state}" if holder.is_alive and holder.state else ""
    return f" (pid {holder.pid}{state})"


def holder_of(home: Home) -> Holder | None:
    """Whose the lock is; a daemon of an earlier labkit, or on a full disk, is known by its record alone."""
    signed = Holder.of(home.lock)
    if signed or not is_locked(home.lock):  # in a copied home the record is of another's daemon
        return signed
    pid = read_json(home.record).get("pid")
    return Holder.unsigned(pid, b"labkit.embedded.cluster.daemon") if isinstance(pid, int) else None


def settled(
    home: Home, find: Callable[[Home], Found | None], timeout: float, say: Callable[[str], None]
) -> Found | None:
    """The daemon of *home* once it runs, ``None`` once none does; StartFailed where neither will come.

    One that is ending, or that a killed command left on its way up, is waited for up to *timeout* seconds.
    """
    deadline = time.monotonic() + timeout
    while _is_there(home):
        if why := hindrance(home):
            raise StartFailed(why)
        holder = holder_of(home)
        if found := find(home):
            return found
        say(f"waiting for the daemon before this one{which(holder)} to end")
        if time.monotonic() > deadline:
            raise StartFailed(
                f"The daemon of {home.root}{which(holder)} neither serves nor ends; `labkit down` ends it, "
                "then `labkit up`."
            )
        time.sleep(STEP)
    return None


def hindrance(home: Home) -> str:
    """Why the daemon that holds the lock can't be talked to, and what helps; or nothing."""
    holder = holder_of(home)
    if holder and holder.is_alive and holder.is_stopped:
        return (
            f"The daemon of {home.root} (pid {holder.pid}) is stopped, by SIGSTOP: `kill -CONT {holder.pid}` "
            "lets it go on, `labkit down` ends it."
        )
    return _foreign(home, holder)


def end(home: Home, timeout: float) -> None:
    """SIGTERM, and SIGKILL where that takes longer than *timeout* seconds; back when it is gone."""
    if why := _foreign(home, holder_of(home)):
        raise ClusterError(why)
    # SIGCONT: one that is stopped would hear SIGTERM only then.
    for numbers in ((signal.SIGTERM, signal.SIGCONT), (signal.SIGKILL,)):
        holder = holder_of(home)
        if holder and holder.is_alive and is_locked(home.lock):
            for number in numbers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(holder.pid, number)
        if _is_gone(home, holder, timeout):
            return
    raise ClusterError(
        f"The daemon of {home.root}{which(holder)} does not end, not even by SIGKILL; "
        "it will once the system lets go of it (a disk that does not answer?), then try again."
    )


def _foreign(home: Home, holder: Holder | None) -> str:
    if not holder or holder.is_alive or not holder.is_elsewhere:
        return ""
    time.sleep(SIGNING)
    if holder_of(home) != holder or not is_locked(home.lock):
        return ""
    return (
        f"{home.root} is in use by a cluster on {holder.host} (pid {holder.pid} there): "
        "`labkit down` on that machine ends it, or set LABKIT_HOME to another folder here."
    )


def _is_there(home: Home) -> bool:
    """Whether somebody holds the lock, or has just let go of it and still closes what else it had."""
    holder = holder_of(home)
    return is_locked(home.lock) or bool(holder and holder.is_alive)


def _is_gone(home: Home, holder: Holder | None, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while _is_there(home) or (holder and holder.is_alive):
        if time.monotonic() > deadline:
            return False
        time.sleep(STEP)
    return True
