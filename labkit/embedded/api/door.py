"""Connections to the API, and how long a stranger may stand in the door.

Anybody on the machine can connect to a port of the loopback network. A connection counts as a
stranger's until a request on it has been let in (:meth:`Door.welcome`); until then it has
:data:`PATIENCE` seconds, its TLS handshake and its header included, and there are at most
:data:`MOST_STRANGERS` of them: one more, and the one that has stood there longest goes. So neither
half-sent requests nor open connections take the descriptors, the memory or the log of the owner.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

PATIENCE = 10.0
"""Seconds from the connection to a request that is let in; handshake and header take milliseconds."""
MOST_STRANGERS = 128
_PAUSE = 0.1  # seconds, when the system has no descriptor left for one more connection
_TOLD_EVERY = 60.0  # seconds: strangers must not fill the log either
_LINGERING = 1.0  # seconds for the rest of a body nobody has read

log = logging.getLogger("labkit.embedded.api")
log_of_http = logging.getLogger("labkit.embedded.api.http")


@dataclass
class _Stranger:
    """A connection that has not shown whose it is."""

    work: asyncio.Task[None]
    """Its handshake."""
    deadline: asyncio.TimerHandle
    transport: asyncio.Transport | None = None

    def dismiss(self) -> None:
        if self.transport:
            self.transport.abort()
        else:
            self.work.cancel()


class Door(web.Server):
    """aiohttp's server, with an eye on who comes in; *options* are its own."""

    def __init__(self, handler: Any, **options: Any) -> None:
        # A body's Content-Encoding is the handler's business: the real server unpacks none.
        own: dict[str, Any] = {"lingering_time": _LINGERING, "auto_decompress": False, "logger": log_of_http}
        super().__init__(handler, access_log=None, **own, **options)
        self._strangers: dict[Any, _Stranger] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_told = float("-inf")

    def open(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        """Let connections to *listener* in, until :meth:`close`."""
        listener.setblocking(False)
        self._begin(self._accept(listener, tls))

    async def close(self) -> None:
        """Accept nobody any more; who is a stranger still goes."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        for protocol in list(self._strangers):
            self._dismiss(protocol)
        await asyncio.gather(*tasks, return_exceptions=True)

    def welcome(self, protocol: Any) -> None:
        """The client behind *protocol* has shown who it is: it may stay."""
        if stranger := self._strangers.pop(protocol, None):
            stranger.deadline.cancel()

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        """Called by aiohttp."""
        self.welcome(handler)
        super().connection_lost(handler, exc)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        with listener:
            while True:
                try:
                    connection, _ = await loop.sock_accept(listener)
                except OSError as error:
                    await self._wait_for_room(error)
                else:
                    self._make_room()
                    self._receive(connection, tls)

    def _receive(self, connection: socket.socket, tls: ssl.SSLContext | None) -> None:
        protocol: Any = self()
        work = self._begin(self._shake_hands(protocol, connection, tls))
        deadline = asyncio.get_running_loop().call_later(PATIENCE, self._dismiss, protocol)
        self._strangers[protocol] = _Stranger(work, deadline)

    async def _shake_hands(
        self, protocol: Any, connection: socket.socket, tls: ssl.SSLContext | None
    ) -> None:
        loop = asyncio.get_running_loop()
        limit = PATIENCE if tls else None
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol, connection, ssl=tls, ssl_handshake_timeout=limit
            )
        except OSError:
            self.welcome(protocol)  # it has gone
        except asyncio.CancelledError:
            connection.close()
            raise
        else:
            if stranger := self._strangers.get(protocol):
                stranger.transport = transport

    async def _wait_for_room(self, error: OSError) -> None:
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
            self._tell("one more connection can't be accepted (%s)", error.strerror)
            self._dismiss(next(iter(self._strangers), None))
            await asyncio.sleep(_PAUSE)

    def _make_room(self) -> None:
        if len(self._strangers) >= MOST_STRANGERS:
            self._tell("more than %d connections wait without a token: the oldest go", MOST_STRANGERS)
            self._dismiss(next(iter(self._strangers)))

    def _dismiss(self, protocol: Any) -> None:
        if stranger := self._strangers.pop(protocol, None):
            stranger.deadline.cancel()
            stranger.dismiss()

    def _tell(self, message: str, *words: object) -> None:
        if time.monotonic() - self._last_told > _TOLD_EVERY:
            self._last_told = time.monotonic()
            log.warning(message, *words)


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether *record* is no client's mistake: what is no HTTP is answered 400, and not worth a line."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


log_of_http.addFilter(_is_ours)
