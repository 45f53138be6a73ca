"""A connection that stops being HTTP: ``101 Switching Protocols``, then bytes both ways."""

from __future__ import annotations

import asyncio

from aiohttp import web

_CHUNK = 64 * 1024


class RawConnection:
    """The bytes of *request*'s connection after our 101; aiohttp keeps its end and its closing."""

    def __init__(self, request: web.BaseRequest, headers: dict[str, str]) -> None:
        self._request = request
        self._reader = asyncio.StreamReader(_CHUNK)
        self.response = web.StreamResponse(status=101, headers={"Connection": "Upgrade", **headers})
        self.response.force_close()

    async def begin(self) -> None:
        """Send the 101; what comes after it is for us."""
        transport = self._request.transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        self._reader.set_transport(transport)
        self._request.protocol.set_parser(self)  # type: ignore[arg-type]  # as aiohttp's own WebSockets do
        await self.response.prepare(self._request)

    async def read(self) -> bytes:
        """What came next; ``b""`` at the end."""
        return await self._reader.read(_CHUNK)

    async def write(self, data: bytes) -> None:
        """Send *data*, waiting where the client is slow; ConnectionError where it has gone."""
        await self.response.write(data)

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Called by aiohttp with what came."""
        self._reader.feed_data(data)
        return False, b""

    def feed_eof(self) -> None:
        """Called by aiohttp at the end."""
        self._reader.feed_eof()
