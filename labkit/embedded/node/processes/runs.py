"""One run of a container: a process, or a part of the daemon; alike in how they end and are stopped."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from labkit.embedded.interfaces import BuiltinContainer, ProcessCommand, UnixAddress
from labkit.embedded.node.inside.start import Inside
from labkit.embedded.node.processes.process import SupervisedProcess
from labkit.embedded.objects import Obj

TERMINATED = 143  # 128 + SIGTERM


@dataclass(frozen=True)
class Surroundings:
    """What a process finds inside a container: its own, and one that joins it by ``kubectl exec``."""

    environment: Mapping[str, str]
    directory: Path
    """The working directory."""
    inside: Inside
    """The pod's network and files."""


class Run(Protocol):
    """A container at work."""

    exited: asyncio.Future[int]
    surroundings: Surroundings
    begun: asyncio.Future[None]
    """Done once its program is there."""
    pid: int | None
    """The process that all its others descend from; None where it is a part of the daemon."""

    async def stop(self, grace: float) -> int:
        """End it, politely for up to *grace* seconds; the exit code."""

    async def drain(self) -> None:
        """Finish what is under way, before the pod is stopped."""

    async def feed(self, data: bytes) -> None:
        """Write to its standard input, where it has one; ``b""`` ends the input."""

    def resize(self, columns: int, rows: int) -> None:
        """Set the size of its terminal, where it has one."""

    def dial(self, port: int) -> UnixAddress | None:
        """Where *port* listens, if that is a Unix socket."""


class ProcessRun:
    """A container that is a process."""

    def __init__(
        self,
        process: SupervisedProcess,
        command: ProcessCommand,
        surroundings: Surroundings,
        begun: asyncio.Future[None],
    ) -> None:
        self.begun = begun
        self._process, self._command, self.surroundings = process, command, surroundings
        self.exited = process.exited
        self.pid: int | None = process.pid

    async def stop(self, grace: float) -> int:
        """As :meth:`SupervisedProcess.stop`, once the program is there: before, nobody would hear it."""
        began = time.monotonic()
        first: list[asyncio.Future[Any]] = [self.begun, self.exited]
        await asyncio.wait(first, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        return await self._process.stop(max(grace - (time.monotonic() - began), 0.0))

    async def drain(self) -> None:
        if self._command.drain:
            await self._command.drain()

    async def feed(self, data: bytes) -> None:
        await self._process.feed(data)

    def resize(self, columns: int, rows: int) -> None:
        self._process.resize(columns, rows)

    def dial(self, port: int) -> UnixAddress | None:
        path = self._command.unix_ports.get(port)
        return UnixAddress(path) if path else None


class BuiltinRun:
    """A container that is a task of the daemon."""

    def __init__(
        self,
        builtin: BuiltinContainer,
        pod: Obj,
        log: Callable[[str], None],
        ready: Callable[[bool], None],
        surroundings: Surroundings,
    ) -> None:
        self._builtin, self._log, self.surroundings = builtin, log, surroundings
        self.pid: int | None = None
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.begun.set_result(None)
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(builtin.run(pod, log, ready))
        self._task.add_done_callback(self._ended)

    async def stop(self, grace: float) -> int:
        """Cancel it; the exit code is that of a process ended by SIGTERM."""
        self._task.cancel()
        return await asyncio.shield(self.exited)

    async def drain(self) -> None:
        """Nothing: it has no connections of learners."""

    async def feed(self, data: bytes) -> None:
        """Nothing: it reads no input."""

    def resize(self, columns: int, rows: int) -> None:
        """Nothing: it has no terminal."""

    def dial(self, port: int) -> UnixAddress | None:
        return self._builtin.dial(port)

    def _ended(self, task: asyncio.Task[int]) -> None:
        code = TERMINATED
        if not task.cancelled():
            error = task.exception()
            code = task.result() if error is None else 1
            if error is not None:
                self._log("".join(traceback.format_exception(error)).rstrip())
        if not self.exited.done():
            self.exited.set_result(code)
