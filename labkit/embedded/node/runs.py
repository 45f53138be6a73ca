"""One run of a container: a process, or a part of the daemon; alike in how they end and are stopped."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from typing import Protocol

from labkit.embedded.interfaces import BuiltinContainer, ProcessCommand, UnixAddress
from labkit.embedded.node.process import SupervisedProcess
from labkit.embedded.objects import Obj

TERMINATED = 143  # 128 + SIGTERM


class Run(Protocol):
    """A container at work."""

    exited: asyncio.Future[int]

    async def stop(self, grace: float) -> int: ...

    def kill(self) -> None: ...

    async def drain(self) -> None:
        """Finish what is under way, before the pod is stopped."""

    def dial(self, port: int) -> UnixAddress | None:
        """Where *port* listens, if that is a Unix socket."""


class ProcessRun:
    """A container that is a process."""

    def __init__(self, process: SupervisedProcess, command: ProcessCommand) -> None:
        self._process, self._command = process, command
        self.exited = process.exited

    async def stop(self, grace: float) -> int:
        return await self._process.stop(grace)

    def kill(self) -> None:
        self._process.kill()

    async def drain(self) -> None:
        if self._command.drain:
            await self._command.drain()

    def dial(self, port: int) -> UnixAddress | None:
        path = self._command.unix_ports.get(port)
        return UnixAddress(path) if path else None


class BuiltinRun:
    """A container that is a task of the daemon."""

    def __init__(
        self, builtin: BuiltinContainer, pod: Obj, log: Callable[[str], None], ready: Callable[[bool], None]
    ) -> None:
        self._builtin, self._log = builtin, log
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(builtin.run(pod, log, ready))
        self._task.add_done_callback(self._ended)

    async def stop(self, grace: float) -> int:
        """Cancel it; the exit code is that of a process ended by SIGTERM."""
        self._task.cancel()
        return await asyncio.shield(self.exited)

    def kill(self) -> None:
        self._task.cancel()

    async def drain(self) -> None:
        """Nothing: it has no connections of learners."""

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
