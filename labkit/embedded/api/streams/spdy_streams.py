"""The streams of a remote command over SPDY: the client opens one for each, and names it in a header."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection

from labkit.embedded.api.streams.channels import Stream
from labkit.embedded.api.streams.spdy import Arrived, Opened, SpdyConnection

_PATIENCE = 30.0  # seconds for a client to open its streams, as a kubelet waits


class SpdyStreams:
    """:class:`~labkit.embedded.api.streams.channels.Streams` in a SPDY connection."""

    def __init__(self, connection: SpdyConnection) -> None:
        self._connection, self.is_plain = connection, False
        self._numbers: dict[int, int] = {}
        self._names: dict[int, Stream] = {}

    async def expect(self, wanted: Collection[Stream]) -> None:
        """Wait until the client has opened *wanted*; ConnectionError where it does not."""
        try:
            async with asyncio.timeout(_PATIENCE):
                while not set(wanted) <= self._numbers.keys():
                    event = await self._connection.receive()
                    if event is None:
                        raise ConnectionResetError("the client left before it opened its streams")
                    self._note(event)
        except TimeoutError:
            raise ConnectionResetError("the client did not open its streams in time") from None

    async def send(self, stream: int, data: bytes) -> None:
        if stream in self._numbers:
            await self._connection.send(self._numbers[stream], data)

    async def receive(self) -> tuple[int, bytes] | None:
        while (event := await self._connection.receive()) is not None:
            if isinstance(event, Opened):
                self._note(event)
            elif (name := self._names.get(event.stream)) is not None and (event.data or event.end):
                return name, event.data
        return None

    async def close(self) -> None:
        with contextlib.suppress(ConnectionError):
            for number in self._numbers.values():
                await self._connection.send(number, b"", end=True)
            await self._connection.goodbye()

    def _note(self, event: Opened | Arrived) -> None:
        if isinstance(event, Opened):
            name = event.headers.get("streamtype", "").upper()
            if name in Stream.__members__:
                self._numbers[Stream[name]] = event.stream
                self._names[event.stream] = Stream[name]
