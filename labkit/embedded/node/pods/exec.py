"""``kubectl exec`` and ``attach``: into which container, with what, in the runtime's own words.

A command sees what the container's process sees: its variables, its folder, its PATH, its pod's network
and files (:mod:`labkit.embedded.node.inside`), whatever program it is.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from labkit.embedded.interfaces import ExecOptions, LogOptions, Send
from labkit.embedded.node.containers.container import Container
from labkit.embedded.node.logs import log_reader
from labkit.embedded.node.pods.pod_worker import PodWorker
from labkit.embedded.node.processes.commands import command_in
from labkit.embedded.node.processes.exec_process import Command, ExecProcess
from labkit.embedded.node.processes.programs import NoProgram
from labkit.embedded.node.processes.run_records import RunRecords
from labkit.embedded.node.processes.runs import Run
from labkit.embedded.objects import name_of, namespace_of
from labkit.embedded.status import ApiError


class Exec:
    """A command in a container; an :class:`~labkit.embedded.interfaces.ExecSession`."""

    def __init__(self, worker: PodWorker, options: ExecOptions, records: RunRecords) -> None:
        """ApiError where the container does not run."""
        self._run, self._worker = _run_of(worker, options.container), worker
        self._options, self._records = options, records
        self._what = f"{namespace_of(worker.pod)}/{name_of(worker.pod)}/{options.container} exec"
        self._process: ExecProcess | None = None

    async def start(self) -> None:
        """Start it, once the container's own program is there; it ends with its container."""
        first: list[asyncio.Future[Any]] = [self._run.begun, self._run.exited]
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        command = self._command()
        try:
            self._process = await ExecProcess.start(command, self._records, self._what)
        except OSError as error:
            raise _not_started(f"fork/exec {command.program}: {(error.strerror or '').lower()}") from error
        self._run.exited.add_done_callback(self._container_ended)
        if not self._options.stdin:
            await self._process.feed(b"")

    async def run(self, send: Send) -> int:
        return await self._started.run(send)

    async def feed(self, data: bytes) -> None:
        await self._started.feed(data)

    def resize(self, columns: int, rows: int) -> None:
        self._started.resize(columns, rows)

    async def close(self) -> None:
        self._run.exited.remove_done_callback(self._container_ended)
        if self._process:
            await self._process.close()

    @property
    def _started(self) -> ExecProcess:
        assert self._process, "start() comes first"
        return self._process

    def _command(self) -> Command:
        found = self._run.surroundings
        variables = self._worker.sandbox.trust_environment() | dict(found.environment)
        try:
            return command_in(
                replace(found, environment=variables), self._options.command, tty=self._options.tty
            )
        except NoProgram as error:
            raise _not_started(str(error)) from error

    def _container_ended(self, _: asyncio.Future[int]) -> None:
        if self._process:
            self._process.end()


class Attach:
    """A container's process from now on: its output, which comes by way of its log, and its input."""

    def __init__(self, worker: PodWorker, options: ExecOptions) -> None:
        """ApiError where the container does not run."""
        self._run = _run_of(worker, options.container)
        container = _container_of(worker, options.container)
        self._chunks = _news(container)
        self._fed_once = options.stdin and bool(container.spec.get("stdinOnce"))

    async def start(self) -> None:
        """Nothing to start."""

    async def run(self, send: Send) -> int:
        async for chunk in self._chunks:
            await send("stdout", chunk)
        await asyncio.wait([self._run.exited])
        return 0  # an attached client learns that it ended, not how

    async def feed(self, data: bytes) -> None:
        """Write to its input; a container with neither ``stdin`` nor ``tty`` has none, and it is dropped.

        The end of a client's input is the container's with ``stdinOnce`` only: others may come.
        """
        if data or self._fed_once:
            await self._run.feed(data)

    def resize(self, columns: int, rows: int) -> None:
        self._run.resize(columns, rows)

    async def close(self) -> None:
        """The container runs on; with ``stdinOnce`` nobody will write to it any more."""
        if self._fed_once:
            await self._run.feed(b"")


async def _news(container: Container) -> AsyncIterator[bytes]:
    options = LogOptions(follow=True, tail_lines=0)
    directory = container.log_dir(container.state.restart_count)
    async for chunk in log_reader.read(directory, options, live=container.log):
        yield chunk


def _run_of(worker: PodWorker, name: str) -> Run:
    run = _container_of(worker, name).current
    if run is None or run.exited.done():
        raise _not_running(name)
    return run


def _container_of(worker: PodWorker, name: str) -> Container:
    found = worker.find(name)
    if found is None:
        raise _not_running(name)
    return found


def _not_running(name: str) -> ApiError:
    return ApiError(500, "InternalError", f'container not found ("{name}")')


def _not_started(why: str) -> ApiError:
    """As containerd and runc say it, by way of the kubelet."""
    runtime = (
        f'failed to exec in container: failed to start exec "{secrets.token_hex(32)}": OCI runtime exec '
        f"failed: exec failed: unable to start container process: {why}: unknown"
    )
    message = f"Internal error occurred: error executing command in container: {runtime}"
    return ApiError(500, "InternalError", message)
