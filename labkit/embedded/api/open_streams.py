"""The connections that ``exec``, ``attach`` and ``port-forward`` have taken over, while they last."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from labkit.embedded.api import streams
from labkit.embedded.api.streams import V4, V5, Streams, WebSocketStreams
from labkit.embedded.status import ApiError, bad_request

log = logging.getLogger("labkit.embedded.api")


class OpenStreams:
    """Takes connections over, and ends them all when the server stops."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Future[None]] = set()

    def close(self) -> None:
        """End every conversation."""
        for task in self._tasks:
            task.cancel()

    async def serve(
        self,
        request: web.BaseRequest,
        conversation: Callable[[Streams], Awaitable[None]],
        protocols: Sequence[str] = (V5, V4),
    ) -> web.StreamResponse:
        """Take *request*'s connection over for *conversation*; ApiError where that can't be.

        Of *protocols* the first that the client knows, too, is spoken.
        """
        if not streams.wants_websocket(request):
            raise _not_upgraded(request)
        socket = await streams.accept_websocket(request, *protocols)
        client = WebSocketStreams(socket)
        await self.last(conversation(client))
        await client.close()
        return socket

    async def last(self, work: Awaitable[None]) -> None:
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


def _not_upgraded(request: web.BaseRequest) -> ApiError:
    if request.headers.get("Upgrade", "").upper().startswith("SPDY"):
        return bad_request(
            "this cluster speaks WebSocket here, not SPDY: use kubectl 1.30 or newer "
            "(1.29 with KUBECTL_REMOTE_COMMAND_WEBSOCKETS=true)"
        )
    return bad_request("Upgrade request required")
