"""Port-forward as kubectl does it: one SPDY connection, two streams for each connection to the pod.

The error stream comes first; both name the port and the same request in their headers. Each side
closes its half of the data stream when it has nothing more to send. Since kubectl 1.31 the SPDY
connection runs inside the binary messages of a WebSocket, which proxies on the way let through.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import WSMsgType, web

from labkit.embedded.api.streams.connections import Connect, Connection, ForwardError, copy
from labkit.embedded.api.streams.spdy import Arrived, Opened, SpdyConnection

PORT_FORWARD = "portforward.k8s.io"
TUNNEL = f"SPDY/3.1+{PORT_FORWARD}"


def tunnel(
    socket: web.WebSocketResponse,
) -> tuple[Callable[[], Awaitable[bytes]], Callable[[bytes], Awaitable[None]]]:
    """To read from and to write to the byte stream in the messages of *socket*."""

    async def read() -> bytes:
        while True:
            message = await socket.receive()
            if message.type is not WSMsgType.BINARY:
                return b""
            if message.data:
                return bytes(message.data)

    return read, socket.send_bytes


async def forward_spdy(client: SpdyConnection, connect: Connect) -> None:
    """Make the connections *client* asks for, until it leaves."""
    forwarding = Forwarding(client, connect)
    try:
        while (event := await client.receive()) is not None:
            await forwarding.handle(event)
    finally:
        await forwarding.close()


class Forwarding:
    """The connections of one client."""

    def __init__(self, client: SpdyConnection, connect: Connect) -> None:
        self._client, self._connect = client, connect
        self._errors: dict[str, int] = {}
        """Request → its error stream, until its data stream comes."""
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def handle(self, event: Opened | Arrived) -> None:
        """Take the client's next step."""
        if isinstance(event, Arrived):
            await self._to_pod(event)
        elif event.headers.get("streamtype") == "error":
            self._errors[event.headers.get("requestid", "")] = event.stream
        else:
            await self._begin(event)

    async def close(self) -> None:
        """End every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers.values():
            writer.close()

    async def _begin(self, opened: Opened) -> None:
        errors = self._errors.pop(opened.headers.get("requestid", ""), 0)
        try:
            connection = await self._connect(_port(opened))
        except ForwardError as error:
            await self._client.send(errors, str(error).encode(), end=True)
            await self._client.send(opened.stream, b"", end=True)
            return
        self._writers[opened.stream] = connection[1]
        task = asyncio.create_task(self._from_pod(opened.stream, errors, connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _from_pod(self, stream: int, errors: int, connection: Connection) -> None:
        reader, writer = connection
        try:
            with contextlib.suppress(ConnectionError):
                await copy(reader, partial(self._client.send, stream))
                await self._client.send(stream, b"", end=True)
                await self._client.send(errors, b"", end=True)
        finally:
            self._writers.pop(stream, None)
            writer.close()

    async def _to_pod(self, arrived: Arrived) -> None:
        writer = self._writers.get(arrived.stream)
        with contextlib.suppress(OSError):  # the pod has closed: its last words are on their way
            if writer and arrived.data:
                writer.write(arrived.data)
                await writer.drain()
            if writer and arrived.end and not writer.is_closing():
                writer.write_eof()


def _port(opened: Opened) -> int:
    text = opened.headers.get("port", "")
    if not text.isdecimal() or not 0 < int(text) < 2**16:
        raise ForwardError(f'"{text}" is no port')
    return int(text)
