"""A connection to a port of a pod, through the API server: one WebSocket to ``pods/NAME/portforward``.

Protocol ``v4.channel.k8s.io``: the first byte of a message names its stream, 0 for data, 1 for what went
wrong; each stream begins with the port's number. The port may listen on the pod's own localhost.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from labkit.errors import ConnectionLost
from labkit.kube.api.api import Api
from labkit.kube.api.refusals import refused
from labkit.kube.api.resources import PODS
from labkit.language import gettext

if TYPE_CHECKING:
    from aiohttp import ClientSession, ClientWebSocketResponse, WSMessage

_PROTOCOL = "v4.channel.k8s.io"
_DATA = 0
_REFUSED = "refused"
_CHUNK = 64 * 1024


async def open_socket(
    api: Api, session: ClientSession, namespace: str, pod: str, port: int
) -> ClientWebSocketResponse:
    """A connection to *port* of *pod*; ApiRefused where that is not allowed, ConnectionLost where it fails.

    Whether anything listens there is said later, on the stream for what went wrong.
    """
    socket = await open_channels(api, session, PODS.path(namespace, pod), f"portforward?ports={port}")
    for _ in ("data", "error"):
        await socket.receive()  # the port's number
    return socket


async def open_channels(api: Api, session: ClientSession, pod: str, what: str) -> ClientWebSocketResponse:
    """A WebSocket for *what* of the pod at the path *pod*, a subresource with its query.

    ApiRefused where that is not allowed, ConnectionLost where it fails.
    """
    from aiohttp import ClientError, WSServerHandshakeError

    path = f"{pod}/{what.partition('?')[0]}"
    headers, tls = await asyncio.to_thread(api.credentials)
    try:
        return await session.ws_connect(
            f"{api.host}{pod}/{what}",
            headers=headers,
            proxy=api.forward_proxy,
            protocols=(_PROTOCOL,),
            ssl=tls or True,
            compress=0,
            max_msg_size=0,
        )
    except WSServerHandshakeError as error:
        raise refused(error.status, error.message.encode(), path) from error
    except (ClientError, OSError) as error:
        name = pod.rpartition("/")[2]
        raise ConnectionLost(
            gettext("No connection to {pod} by way of {host}: {error}", pod=name, host=api.host, error=error)
        ) from error


class Relay:
    """One client's connection, over one WebSocket or, as long as nothing is lost, another one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._first = b""
        self.is_lost = False
        """Whether more than the first words were sent, which another pod would not hear."""

    async def run(self, socket: ClientWebSocketResponse) -> bool:
        """Pass on both ways until one side closes; False where the pod refused the connection."""
        up, down = asyncio.create_task(self._up(socket)), asyncio.create_task(self._down(socket))
        try:
            await asyncio.wait([up, down], return_when=asyncio.FIRST_COMPLETED)
            if not down.done() and up.exception() is None:
                return True  # the client has closed
            return await down != _REFUSED  # a pod's refusal is still to be read where sending fails
        finally:
            for way in (up, down):
                way.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            await socket.close()

    async def _up(self, socket: ClientWebSocketResponse) -> None:
        self._first = data = self._first or await self._reader.read(_CHUNK)
        while data:
            await socket.send_bytes(bytes([_DATA]) + data)
            data = await self._reader.read(_CHUNK)
            self.is_lost = self.is_lost or bool(data)

    async def _down(self, socket: ClientWebSocketResponse) -> str:
        async for message in socket:
            if not is_data(message):
                return _REFUSED
            self.is_lost = True
            self._writer.write(message.data[1:])
            await self._writer.drain()
        return ""


def is_data(message: WSMessage) -> bool:
    """Whether *message* is something the port says."""
    from aiohttp import WSMsgType

    return message.type is WSMsgType.BINARY and message.data[0] == _DATA
