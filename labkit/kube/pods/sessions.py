"""Connections to the API server from an event loop that lives only as long as they do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import weakref
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiohttp import ClientSession

_CONNECT = 5.0  # seconds
_FAREWELL = 1.0  # seconds


@contextlib.asynccontextmanager
async def session() -> AsyncIterator[ClientSession]:
    """An aiohttp session; when it has ended its loop may be closed, no connection is left open.

    TLS ends a connection with a farewell and waits for the other side's; aiohttp does not wait for that.
    """
    from aiohttp import ClientSession, ClientTimeout, TCPConnector

    sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def make(address: tuple[Any, ...]) -> socket.socket:
        made = socket.socket(*address[:3])
        sockets.add(made)
        return made

    connector = TCPConnector(socket_factory=make)
    try:
        async with ClientSession(
            connector=connector, timeout=ClientTimeout(total=None, connect=_CONNECT)
        ) as made:
            yield made
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                while any(each.fileno() >= 0 for each in sockets):  # noqa: ASYNC110  # nobody tells
                    await asyncio.sleep(0.001)
