"""How a watch's events reach its client: as lines of a chunked answer, or each as a WebSocket's message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from aiohttp import WSMsgType, web

_GOODBYES = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)
_CLOSING = 1.0  # seconds for a client to say goodbye


class Way(Protocol):
    """To one client."""

    @property
    def answer(self) -> web.StreamResponse:
        """The answer to its request."""

    async def write(self, frames: bytes) -> None:
        """Send whole lines, an event each."""

    async def close(self) -> None:
        """All is sent."""


class Lines:
    """The way that most clients ask for."""

    def __init__(self) -> None:
        headers = {"Content-Type": "application/json", "Cache-Control": "no-cache, private"}
        self.answer = web.StreamResponse(headers=headers)
        self.answer.enable_chunked_encoding()

    async def write(self, frames: bytes) -> None:
        await self.answer.write(frames)

    async def close(self) -> None:
        """The answer ends with its handler."""


class Messages:
    """A WebSocket's; what the client sends there is read for its goodbye only."""

    def __init__(self, left: Callable[[], None]) -> None:
        """*left* is called when the client has gone."""
        self.answer = web.WebSocketResponse(timeout=_CLOSING, compress=False)
        self._left, self._reader = left, asyncio.ensure_future(asyncio.sleep(0))

    def listen(self) -> None:
        """Notice from now on when the client leaves."""
        self._reader = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        await until_left(self.answer)
        self._left()

    async def write(self, frames: bytes) -> None:
        for line in frames.splitlines():
            await self.answer.send_str(line.decode())

    async def close(self) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self.answer.close()


async def begin(request: web.BaseRequest, left: Callable[[], None]) -> Way:
    """The way that *request* asks for, open; *left* is called when its client says goodbye."""
    if not wants_websocket(request):
        lines = Lines()
        await lines.answer.prepare(request)
        return lines
    messages = Messages(left)
    await messages.answer.prepare(request)
    messages.listen()
    return messages


def wants_websocket(request: web.BaseRequest) -> bool:
    """Whether *request* asks for a WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


async def until_left(socket: web.WebSocketResponse) -> None:
    """Wait for the client's goodbye; what else it says is not listened to."""
    while (await socket.receive()).type not in _GOODBYES:
        pass
