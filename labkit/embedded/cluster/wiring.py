"""The parts of the cluster, put together: each meets the others only through what it is given here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from labkit.embedded.api.inprocess import InProcessClient
from labkit.embedded.cluster.certificates import Certificates
from labkit.embedded.store import Store

log = logging.getLogger("labkit.embedded.cluster")


@dataclass(frozen=True)
class Plan:
    """What a cluster is given: its files, its keys, its share of the machine's network."""

    database: Path
    node: Path
    run: Path
    block: int
    token: str
    certificates: Certificates
    ports: dict[str, int]
    """``http`` and ``https``: what a load balancer can open here."""


class Cluster:
    """All parts, running from ``async with`` to its end."""

    def __init__(self, plan: Plan, listener: socket.socket) -> None:
        self._listener = listener
        self._store = Store(plan.database)
        self._client = InProcessClient(self._store)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Cluster:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in reversed(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        self._store.close()

    def _run(self, name: str, part: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(part, name=name))

    async def until(self, stopped: asyncio.Event) -> None:
        """Wait for *stopped*; raises what a part died of, if one does before that."""
        waiting = asyncio.create_task(stopped.wait())
        done, _ = await asyncio.wait([waiting, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        for task in done - {waiting}:
            task.result()
            raise RuntimeError(f"{task.get_name()} ended by itself")
