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
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from labkit.embedded.cluster import ending, files
from labkit.embedded.cluster.holder import Holder
from labkit.embedded.cluster.home import OWNER, Home
from labkit.embedded.cluster.lock import is_locked, locked
from labkit.errors import ClusterError, StartFailed

START_TIMEOUT = 60.0
STOP_TIMEOUT = 15.0
"""Seconds; the daemon gives its children less than that."""

Say = Callable[[str], None]
"""Hears what is being waited for."""

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
        return None  # it holds the lock but is not ready yet, or ends


def start(
    home: Home,
    timeout: float = START_TIMEOUT,
    *,
    fresh: bool = False,
    owner: int | None = None,
    say: Say = lambda _: None,
    meanwhile: Callable[[], None] = lambda: None,
) -> Running:
    """Start the daemon of *home*, or find the one that runs; back when its API answers.

    *fresh* begins an empty cluster; what was there before is kept aside. *say* hears what keeps it waiting;
    *meanwhile* is done while a daemon starts. With the process *owner* (default: the one that
    ``LABKIT_OWNER`` names, if any) the daemon ends as well. Raises StartFailed with the reason where there
    is one.
    """
    with files.explained(home.root):
        opened = home.create()
    with _alone(home, say):
        running = ending.settled(home, find, STOP_TIMEOUT, say)
        if running and fresh:
            raise StartFailed(
                f"The cluster of {home.root} runs; `labkit down` first, then `labkit up --fresh`."
            )
        if running is None:
            with files.explained(home.root):
                process, report = _spawn(home, owner)
            try:
                from labkit.embedded.cluster import notes, preparing  # while the daemon imports its own

                with files.explained(home.root):
                    preparing.prepare(home, opened, fresh=fresh)
                _let_begin(process)
                meanwhile()
                _await_ready(home, process, report, timeout)
            except BaseException:  # Ctrl-C as well: nothing half-started stays
                process.kill()
                process.wait()
                raise
            running, mended = find(home), notes.read(home.notes)
        else:
            from labkit.embedded.cluster import preparing

            mended = preparing.refresh(home, running.server)
    if running is None:
        raise StartFailed(
            f"The cluster of {home.root} stopped right after its start; `labkit up` to try again."
        )
    return replace(running, mended=tuple(mended))


def stop(home: Home, *, say: Say = lambda _: None) -> bool:
    """Stop the daemon of *home* and all it started; whether there was one."""
    if not home.root.is_dir():
        return False
    from labkit.embedded.cluster import preparing

    with _alone(home, say):
        was_there = is_locked(home.lock)
        ending.end(home, STOP_TIMEOUT)
        _children[:] = [child for child in _children if child.poll() is None]
        preparing.sweep(home)
    return was_there


@contextlib.contextmanager
def _alone(home: Home, say: Say) -> Iterator[None]:
    def waiting(holder: Holder | None) -> None:
        say(f"waiting for another labkit command{ending.which(holder)} that starts or stops this cluster")

    with contextlib.ExitStack() as held:
        with files.explained(home.root):
            try:
                held.enter_context(locked(home.start_lock, START_TIMEOUT + STOP_TIMEOUT, waiting))
            except TimeoutError:
                holder = Holder.of(home.start_lock)
                why = f"is still being started or stopped by another command{ending.which(holder)}"
                raise ClusterError(
                    f"The cluster of {home.root} {why}; wait for it, then try again."
                ) from None
        yield


def _spawn(home: Home, owner: int | None) -> tuple[subprocess.Popen[bytes], int]:
    """The daemon, which imports its parts and waits, and the end of the pipe its report comes from."""
    report, its_end = os.pipe()
    command = [sys.executable, "-P", "-m", "labkit.embedded.cluster.daemon", str(home.root), str(its_end)]
    try:
        with files.open_private(home.stderr) as stderr:
            process = subprocess.Popen(
                command,
                env=_environment(owner),
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=stderr,
                stderr=stderr,
                pass_fds=[its_end],
                start_new_session=True,
            )
    finally:
        os.close(its_end)
    _children[:] = [child for child in _children if child.poll() is None] + [process]
    return process, report


def _let_begin(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as its_input:
        its_input.write(b"\n")  # one that died before says so through its report


def _environment(owner: int | None) -> dict[str, str]:
    # One arena less memory; gRPC's fork handlers would run for every child the node starts.
    tuned = {"MALLOC_ARENA_MAX": "2", "GRPC_ENABLE_FORK_SUPPORT": "false", "GRPC_VERBOSITY": "NONE"}
    return os.environ | tuned | ({OWNER: str(owner)} if owner else {})


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
    from labkit.embedded.cluster import logs

    lines = logs.last_lines(home.stderr) + logs.last_lines(home.log)
    return "".join(f"\n  {line}" for line in [f" Its last words ({home.log}):", *lines]) if lines else ""
