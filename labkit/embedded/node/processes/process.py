"""One supervised process: started through the launcher, its output read, its end awaited, stopped politely.

Every process leads a session of its own, so that it goes together with whatever it may have
started. Standard output and error share one pipe, which keeps their lines in order, as ``kubectl
logs`` shows them. Spawn from the main thread only: a child's death signal is tied to the thread
that made it.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labkit.embedded.node.processes import launcher
from labkit.embedded.node.processes.process_input import Input
from labkit.embedded.node.processes.run_records import RunRecords

CHUNK = 64 * 1024
LAST_PATIENCE = 2.0  # seconds for killing others
READY_STEP = 0.01  # seconds between two looks at a process that starts


class StartEnding(enum.Enum):
    """The three ways a start can end."""

    READY = "ready"
    EXITED = "exited before it was ready"
    TOO_SLOW = "still not ready"


class Stdin(enum.Enum):
    """What a process finds as its standard input."""

    NONE = "nothing"
    PIPE = "what is fed"
    TERMINAL = "what is typed at a terminal, which is its output, too"


@dataclass(frozen=True)
class _Ends:
    """Descriptors of one side: the same one twice where it is a terminal."""

    input: int
    output: int


class SupervisedProcess:
    """A running process. Make one with :meth:`start`."""

    def __init__(
        self,
        popen: subprocess.Popen[bytes],
        ends: _Ends,
        on_output: Callable[[bytes], None],
        last_word: signal.Signals,
    ) -> None:
        self._popen, self._pipe, self._on_output, self._last_word = popen, ends.output, on_output, last_word
        self._input = Input(ends.input, is_terminal=ends.input == ends.output) if ends.input >= 0 else None
        self._loop = asyncio.get_running_loop()
        self._pidfd = -1
        self.exited: asyncio.Future[int] = self._loop.create_future()
        """The exit code as a container reports it: 137 for SIGKILL."""

    @classmethod
    def start(
        cls,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: Path,
        on_output: Callable[[bytes], None],
        records: RunRecords,
        what: str = "",
        last_word: signal.Signals = signal.SIGKILL,
        stdin: Stdin = Stdin.NONE,
        kept: Sequence[int] = (),
    ) -> SupervisedProcess:
        """Start *argv* with exactly *environment* in *directory*; *on_output* gets its bytes as they come.

        *last_word* ends it when politeness has not: SIGKILL, or what makes it kill others and then itself.
        *kept* are descriptors that it has, too.
        """
        ends, theirs = _ends(stdin)
        try:
            popen = _spawn(argv, environment, directory, theirs, kept)
        except OSError:
            for each in {ends.input, ends.output} - {-1}:
                os.close(each)
            raise
        finally:
            for each in {theirs.input, theirs.output} - {subprocess.DEVNULL}:
                os.close(each)
        records.add(popen.pid, what)
        process = cls(popen, ends, on_output, last_word)
        process.exited.add_done_callback(lambda _: records.remove(popen.pid))
        process._watch()
        return process

    @property
    def pid(self) -> int:
        """Its process id, which is also its process group's."""
        return self._popen.pid

    async def ready(self, is_ready: Callable[[], Awaitable[bool]], *, within: float) -> StartEnding:
        """Ask *is_ready* every few milliseconds until it holds, the process ends, or *within* seconds."""
        deadline = self._loop.time() + within
        while not self.exited.done():
            if await is_ready():
                return StartEnding.READY
            if self._loop.time() >= deadline:
                return StartEnding.TOO_SLOW
            await asyncio.wait([self.exited], timeout=READY_STEP)
        return StartEnding.EXITED

    async def stop(self, grace: float) -> int:
        """SIGTERM, up to *grace* seconds of patience, SIGKILL; the exit code. Twice is fine."""
        self._signal(signal.SIGTERM)
        await asyncio.wait([self.exited], timeout=grace)
        if self._last_word != signal.SIGKILL:
            self._signal(self._last_word)
            await asyncio.wait([self.exited], timeout=LAST_PATIENCE)
        self.kill()
        return await asyncio.shield(self.exited)

    async def feed(self, data: bytes) -> None:
        """Write to its standard input, as fast as it reads, where it has one; ``b""`` ends the input."""
        if self._input and not self.exited.done():
            await self._input.feed(data)

    def resize(self, columns: int, rows: int) -> None:
        """Set the size of its terminal, where it has one."""
        if self._input and not self.exited.done():
            self._input.resize(columns, rows)

    def kill(self) -> None:
        """SIGKILL to the whole process group."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if not self.exited.done():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def _watch(self) -> None:
        self._loop.add_reader(self._pipe, self._read)
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except (AttributeError, OSError):  # an old kernel, or a sandbox that has no pidfds
            # A thread of its own: the loop's pool has a few, and every process would hold one all its life.
            threading.Thread(target=self._wait_in_thread, name=f"wait for {self.pid}", daemon=True).start()
        else:
            self._loop.add_reader(self._pidfd, self._reap)

    def _wait_in_thread(self) -> None:
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(RuntimeError):  # the loop may be closed by now
            self._loop.call_soon_threadsafe(self._reap)

    def _read(self) -> bool:
        """One chunk of output; False where there is none now, or never again."""
        try:
            chunk = os.read(self._pipe, CHUNK)
        except BlockingIOError:
            return False
        except OSError:  # a terminal whose programs have all gone
            chunk = b""
        if chunk:
            self._on_output(chunk)
        else:
            self._loop.remove_reader(self._pipe)
        return bool(chunk)

    def _reap(self) -> None:
        # Still a zombie here, so the process group's number can't be anybody else's yet.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        code = self._popen.wait()
        while self._read():
            pass
        self._close()
        if not self.exited.done():
            self.exited.set_result(code if code >= 0 else 128 - code)

    def _close(self) -> None:
        if self._input:
            self._input.close()
        for descriptor in (self._pipe, self._pidfd):
            if descriptor >= 0:
                self._loop.remove_reader(descriptor)
                os.close(descriptor)


def _ends(stdin: Stdin) -> tuple[_Ends, _Ends]:
    """Ours and the process's."""
    if stdin is Stdin.TERMINAL:
        master, slave = pty.openpty()
        os.set_blocking(master, False)
        return _Ends(master, master), _Ends(slave, slave)
    output, their_output = _pipe()
    if stdin is Stdin.NONE:
        return _Ends(-1, output), _Ends(subprocess.DEVNULL, their_output)
    their_input, input_ = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(input_, False)
    return _Ends(input_, output), _Ends(their_input, their_output)


def _pipe() -> tuple[int, int]:
    read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    os.set_blocking(write_end, True)
    return read_end, write_end


def _spawn(
    argv: Sequence[str],
    environment: Mapping[str, str],
    directory: Path,
    theirs: _Ends,
    kept: Sequence[int],
) -> subprocess.Popen[bytes]:
    launch = [sys.executable, "-I", "-S", launcher.__file__, str(os.getpid())]
    return subprocess.Popen(
        [*launch, *argv],
        env=dict(environment),
        cwd=directory,
        stdin=theirs.input,
        stdout=theirs.output,
        stderr=theirs.output,
        start_new_session=True,
        pass_fds=kept,
    )
