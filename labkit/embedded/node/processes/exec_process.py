"""A command at work in a container for one client: three pipes or a terminal, and an exit code.

What it writes is read only as fast as the client takes it, so ``kubectl exec … -- cat`` of a large
file, or ``yes``, costs the daemon no more than two small buffers. Start from the main thread only:
the death signal of a child is tied to the thread that made it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import struct
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from labkit.embedded.interfaces import Send
from labkit.embedded.node.processes.run_records import RunRecords

CHUNK = 32 * 1024
PATIENCE = 2.0  # seconds until a supervisor that does not end is killed


@dataclass(frozen=True)
class Command:
    """What to start, where, with which variables."""

    program: str
    """Its path."""
    argv: Sequence[str]
    """Of its supervisor, which becomes its parent."""
    environment: Mapping[str, str]
    directory: Path
    tty: bool


class ExecProcess:
    """A running command. Make one with :meth:`start`."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        outputs: dict[Literal["stdout", "stderr"], asyncio.StreamReader],
        feeder: asyncio.StreamWriter,
        terminal: int | None = None,
    ) -> None:
        self._process, self._outputs, self._feeder, self._terminal = process, outputs, feeder, terminal

    @classmethod
    async def start(cls, command: Command, records: RunRecords, what: str) -> ExecProcess:
        """Start *command*; OSError where no process can be had."""
        started = await (_with_terminal if command.tty else _with_pipes)(command)
        pid = started._process.pid
        records.add(pid, what)
        ended = asyncio.ensure_future(started._process.wait())
        ended.add_done_callback(lambda _: records.remove(pid))
        return started

    async def run(self, send: Send) -> int:
        """Pass all output on, to the end; the exit code."""
        async with asyncio.TaskGroup() as both:
            for name, reader in self._outputs.items():
                both.create_task(_pass_on(reader, name, send))
        return await self._process.wait()

    async def feed(self, data: bytes) -> None:
        """Write to its input, as fast as it reads; ``b""`` ends the input. It may have ended meanwhile."""
        with contextlib.suppress(OSError, RuntimeError):
            if data:
                self._feeder.write(data)
                await self._feeder.drain()
            elif self._terminal is None:
                self._feeder.close()

    def resize(self, columns: int, rows: int) -> None:
        """Set the size of its terminal, which tells the program by SIGWINCH."""
        if self._terminal is not None and not self._feeder.is_closing():
            with contextlib.suppress(OSError):
                fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    async def close(self) -> None:
        """End it with all that it has started; :meth:`run` has returned or been cancelled by now."""
        self.end()
        if not self._feeder.is_closing():
            self._feeder.transport.abort()  # what it has not read, it never will
        try:
            async with asyncio.timeout(PATIENCE):
                await self._finished()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._finished()

    async def _finished(self) -> None:
        """Wait for its end; asyncio sees that only once its output has been read."""
        for reader in self._outputs.values():
            while await _read(reader):
                pass
        await self._process.wait()

    def end(self) -> None:
        """Begin to end it."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()


async def _with_pipes(command: Command) -> ExecProcess:
    process = await _spawn(command, asyncio.subprocess.PIPE)
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    assert stdin is not None
    assert stdout is not None
    assert stderr is not None
    return ExecProcess(process, {"stdout": stdout, "stderr": stderr}, stdin)


async def _with_terminal(command: Command) -> ExecProcess:
    master, slave = pty.openpty()
    try:
        process = await _spawn(command, slave)
    except OSError:
        os.close(master)
        raise
    finally:
        os.close(slave)
    reader, writer = await _streams(master)
    return ExecProcess(process, {"stdout": reader}, writer, master)


async def _spawn(command: Command, stream: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command.argv,
        env=dict(command.environment),
        cwd=command.directory,
        stdin=stream,
        stdout=stream,
        stderr=stream,
        start_new_session=True,
    )


async def _streams(master: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Both directions of a terminal; each owns a descriptor of its own."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await loop.connect_read_pipe(lambda: protocol, os.fdopen(os.dup(master), "rb", buffering=0))
    transport, flow = await loop.connect_write_pipe(
        lambda: asyncio.streams.FlowControlMixin(loop), os.fdopen(master, "wb", buffering=0)
    )
    return reader, asyncio.StreamWriter(transport, flow, None, loop)


async def _pass_on(reader: asyncio.StreamReader, name: Literal["stdout", "stderr"], send: Send) -> None:
    while chunk := await _read(reader):
        await send(name, chunk)


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(CHUNK)
    except OSError:  # a terminal whose programs have all gone
        return b""
