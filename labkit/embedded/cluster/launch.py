"""Start, find and stop the daemon of one home.

A start has three endings, told apart by a pipe the daemon reports through: it says that it is
ready, or why it can't be; the pipe closes without a word, so it died; nothing comes in time.
Whether a daemon runs is asked of the lock it holds, never of a pid file.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from labkit.embedded.cluster import certificates, files, keys, kubeconfig, logs
from labkit.embedded.cluster.home import Home
from labkit.embedded.cluster.lock import is_locked, locked
from labkit.embedded.node.run_records import RECORDS, RunRecords, start_time_of
from labkit.errors import ClusterError, StartFailed

START_TIMEOUT = 30.0
STOP_TIMEOUT = 15.0
"""Seconds; the daemon gives its children less than that."""


_children: list[subprocess.Popen[bytes]] = []
"""Daemons this process started: asked for their end now and then, so that none stays a zombie."""


@dataclass(frozen=True)
class Running:
    """What a running daemon says about itself."""

    home: Home
    pid: int
    server: str
    """The API, as ``https://127.0.0.1:PORT``."""
    block: int
    """Its address block, see :mod:`labkit.embedded.addresses`."""
    run: Path
    """Its folder of sockets."""
    mended: tuple[str, ...] = ()
    """What was found damaged and is new now, or would be after a restart: a sentence each."""


def find(home: Home) -> Running | None:
    """The daemon of *home*, or ``None`` where none runs."""
    if not is_locked(home.lock):
        return None
    record = files.read_json(home.record)
    try:
        run = Path(record["run"])
        return Running(home, record["pid"], record["server"], record["block"], run)
    except KeyError:
        return None  # it holds the lock but is not ready yet


def start(home: Home, timeout: float = START_TIMEOUT) -> Running:
    """Start the daemon of *home*, or find the one that runs; back when its API answers.

    Raises StartFailed with the reason where there is one.
    """
    with files.explained(home.root):
        home.create()
    with _alone(home):
        running = find(home)
        if running is None:
            with files.explained(home.root):
                mended = _prepare(home)
                process, report = _spawn(home)
            try:
                _await_ready(home, process, report, timeout)
            except BaseException:  # Ctrl-C as well: nothing half-started stays
                process.kill()
                process.wait()
                raise
            running = find(home)
        else:
            mended = _refresh(running)
    if running is None:
        raise StartFailed(
            f"The cluster of {home.root} stopped right after its start; `labkit up` to try again."
        )
    return replace(running, mended=tuple(mended))


def stop(home: Home) -> bool:
    """Stop the daemon of *home* and all it started; whether there was one."""
    if not home.root.is_dir():
        return False
    with _alone(home):
        running = find(home)
        if running:
            _end(running)
        _sweep(home)
    return running is not None


@contextlib.contextmanager
def _alone(home: Home) -> Iterator[None]:
    try:
        with locked(home.start_lock, START_TIMEOUT + STOP_TIMEOUT):
            yield
    except TimeoutError:
        why = "is still being started or stopped by another command; wait for it, then try again."
        raise ClusterError(f"The cluster of {home.root} {why}") from None


def _prepare(home: Home) -> list[str]:
    """What must be there before the daemon runs: keys, and no rest of a daemon that was killed."""
    _sweep(home)
    return keys.ensure(home)


def _refresh(running: Running) -> list[str]:
    """Look after the keys of a daemon that runs: a kubeconfig that was lost or damaged leads to it again."""
    home = running.home
    with files.explained(home.root):
        faults = keys.faults(home)
        if not home.kubeconfig.exists() and keys.is_sound(home):
            authority = certificates.Certificates.of(home.pki).authority
            token = keys.read_token(home)
            kubeconfig.update(home.kubeconfig, server=running.server, authority=authority, token=token)
    return faults


def _sweep(home: Home) -> None:
    """Remove what only a running daemon needs; end its children where any outlived it."""
    home.record.unlink(missing_ok=True)
    run = home.run_folder()
    if run.exists():
        RunRecords(files.private_folder(run) / RECORDS).kill_all()
        shutil.rmtree(run, ignore_errors=True)


def _spawn(home: Home) -> tuple[subprocess.Popen[bytes], int]:
    """The daemon, on its own, and the end of the pipe its report comes from."""
    report, its_end = os.pipe()
    command = [sys.executable, "-P", "-m", "labkit.embedded.cluster.daemon", str(home.root), str(its_end)]
    try:
        with files.open_private(home.stderr) as stderr:
            process = subprocess.Popen(
                command,
                env=_environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                pass_fds=[its_end],
                start_new_session=True,
            )
    finally:
        os.close(its_end)
    _children[:] = [child for child in _children if child.poll() is None] + [process]
    return process, report


def _environment() -> dict[str, str]:
    # One arena less memory; gRPC's fork handlers would run for every child the node starts.
    tuned = {"MALLOC_ARENA_MAX": "2", "GRPC_ENABLE_FORK_SUPPORT": "false", "GRPC_VERBOSITY": "NONE"}
    return os.environ | tuned


def _await_ready(home: Home, process: subprocess.Popen[bytes], report: int, timeout: float) -> None:
    with os.fdopen(report, "rb") as pipe:
        readable, _, _ = select.select([pipe], [], [], timeout)
        line = pipe.readline() if readable else b""
    if not readable:
        raise StartFailed(f"The cluster was not ready after {timeout:g} s.{_last_words(home)}")
    failure = json.loads(line)["failure"] if line else None
    if failure or not line:
        process.wait()
        raise StartFailed(failure or f"The cluster's daemon died while starting.{_last_words(home)}")


def _last_words(home: Home) -> str:
    lines = logs.last_lines(home.stderr) + logs.last_lines(home.log)
    return "".join(f"\n  {line}" for line in [f" Its last words ({home.log}):", *lines]) if lines else ""


def _end(running: Running) -> None:
    """SIGTERM, and SIGKILL where that takes too long; back when the process is gone."""
    born = start_time_of(running.pid)
    for number in (signal.SIGTERM, signal.SIGKILL):
        if born is not None and start_time_of(running.pid) == born:
            with contextlib.suppress(ProcessLookupError):
                os.kill(running.pid, number)
        if _has_ended(running.pid, born):
            break
    _children[:] = [child for child in _children if child.poll() is None]
    _await_unlocked(running.home)


def _has_ended(pid: int, born: int | None) -> bool:
    """Whether the process that began at *born* is gone, waited for up to STOP_TIMEOUT seconds."""
    deadline = time.monotonic() + STOP_TIMEOUT
    while born is not None and start_time_of(pid) == born:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)  # not our child, and older kernels have no pidfds to wait for
    return True


def _await_unlocked(home: Home) -> None:
    deadline = time.monotonic() + 2
    while is_locked(home.lock) and time.monotonic() < deadline:
        time.sleep(0.01)  # the kernel closes the descriptors of a process that was just reaped
