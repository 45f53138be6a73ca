"""The connections that ``exec``, ``attach`` and ``port-forward`` have taken over, while they last."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from labkit.embedded.api.objects.frames import wants_websocket
from labkit.embedded.api.streams import channels as streams
from labkit.embedded.api.streams.spdy import SpdyConnection
from labkit.embedded.api.streams.takeover import RawConnection
from labkit.embedded.status import bad_request

SPDY = "SPDY/3.1"
_NEGOTIATED = "X-Stream-Protocol-Version"

log = logging.getLogger("labkit.embedded.api")


class OpenStreams:
    """Takes connections over, and ends them all when the server stops."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Future[None]] = set()

    def close(self) -> None:
        """End every conversation."""
        for task in self._tasks:
            task.cancel()

    async def websocket(
        self,
        request: web.BaseRequest,
        protocols: Sequence[str],
        conversation: Callable[[web.WebSocketResponse], Awaitable[None]],
    ) -> web.StreamResponse:
        """Take *request*'s connection over; of *protocols* the first that the client knows is spoken.

        ApiError where there is none.
        """
        if not wants_websocket(request):
            raise bad_request("Upgrade request required")
        socket = await streams.accept_websocket(request, *protocols)
        await self._last(conversation(socket))
        await streams.close(socket)
        return socket

    async def spdy(
        self,
        request: web.BaseRequest,
        protocol: str,
        conversation: Callable[[SpdyConnection], Awaitable[None]],
    ) -> web.StreamResponse:
        """Take *request*'s connection over for SPDY; ApiError where the client does not know *protocol*."""
        known = request.headers.getall(_NEGOTIATED, ())
        offered = [each.strip() for line in known for each in line.split(",")]
        if protocol not in offered:
            raise bad_request(f"unable to upgrade: none of the protocols {offered} is {protocol}")
        raw = RawConnection(request, {"Upgrade": SPDY, _NEGOTIATED: protocol})
        await raw.begin()
        await self._last(conversation(SpdyConnection(raw.read, raw.write)))
        return raw.response

    async def _last(self, work: Awaitable[None]) -> None:
        """Wait for *work*, which a client that leaves and :meth:`close` end before its time."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()
            self._tasks.discard(task)
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(outcome, Exception) and not isinstance(outcome, ConnectionError):
            log.error("a conversation broke off: %r", outcome, exc_info=outcome)


def wants_spdy(request: web.BaseRequest) -> bool:
    """Whether *request* asks for a SPDY connection."""
    return request.headers.get("Upgrade", "").upper() == SPDY
