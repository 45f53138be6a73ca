"""Several streams over one connection, as ``exec``, ``attach`` and ``port-forward`` need them.

Over a WebSocket every message begins with the number of its stream (``v4.channel.k8s.io``); since
``v5`` a message ``255, n`` closes stream *n*, which is how a client ends standard input. Clients that can
send only text name a protocol with ``base64``: a digit for the stream, and the rest encoded.

Source: ``wsstream`` of k8s.io/apimachinery and ``remotecommand/websocket.go`` of k8s.io/kubelet.
"""

from __future__ import annotations

import base64
import contextlib
from enum import IntEnum
from typing import Protocol

from aiohttp import WSMsgType, web

from labkit.embedded.status import bad_request

V4, V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"
PLAIN = ("", "channel.k8s.io", "base64.channel.k8s.io")
"""Protocols that know no Status; the first is that of clients that name none."""
REMOTE_COMMAND = (V5, V4, "v4.base64.channel.k8s.io", *PLAIN)
"""All that ``exec`` and ``attach`` speak."""
_CLOSE = 255
_LARGEST_MESSAGE = 32 * 1024 * 1024  # bytes, as the real server


class Stream(IntEnum):
    """The streams of a remote command."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    """The server's last word: a ``Status``."""
    RESIZE = 4
    """The size of the client's window, as JSON."""


class Streams(Protocol):
    """A connection that carries streams."""

    is_plain: bool
    """Whether the last word is a text, and only said of a failure."""

    async def send(self, stream: int, data: bytes) -> None:
        """Send *data*; ConnectionError where the client has gone."""

    async def receive(self) -> tuple[int, bytes] | None:
        """What the client sends next, ``b""`` for the end of a stream; ``None`` once it has gone."""

    async def close(self) -> None:
        """Close the connection, from our side in order."""


class WebSocketStreams:
    """Streams in the messages of a WebSocket."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        protocol = socket.ws_protocol or ""
        self._socket, self.is_plain, self._is_text = socket, protocol in PLAIN, is_text(protocol)

    async def send(self, stream: int, data: bytes) -> None:
        if self._is_text:
            await self._socket.send_str(str(stream) + base64.b64encode(data).decode())
        else:
            await self._socket.send_bytes(bytes([stream]) + data)

    async def receive(self) -> tuple[int, bytes] | None:
        while True:
            message = await self._socket.receive()
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                return None
            data = message.data.encode() if message.type is WSMsgType.TEXT else message.data
            if self._is_text:
                data = _decoded(data)
            if len(data) > 1 and data[0] == _CLOSE:
                return (data[1], b"") if self._socket.ws_protocol == V5 else None
            if len(data) > 1:
                return data[0], data[1:]

    async def close(self) -> None:
        await close(self._socket)


def is_text(protocol: str) -> bool:
    """Whether its messages are texts, their bytes in base64."""
    return "base64" in protocol


def _decoded(data: bytes) -> bytes:
    """A message of a base64 protocol as the others have it; empty where it is none."""
    with contextlib.suppress(ValueError):
        return bytes([int(data[:1])]) + base64.b64decode(data[1:], validate=True)
    return b""


async def close(socket: web.WebSocketResponse) -> None:
    """Say goodbye; the client may have gone already."""
    with contextlib.suppress(ConnectionError, RuntimeError):
        await socket.close()


async def accept_websocket(request: web.BaseRequest, *protocols: str) -> web.WebSocketResponse:
    """Take the connection over; ApiError 400 where the client speaks none of *protocols*.

    One that names none speaks ``""``, if that is among them.
    """
    offered = [each.strip() for each in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
    if not set(offered) & set(protocols):
        raise bad_request(f"unable to upgrade: none of the protocols {offered} is one of {list(protocols)}")
    chosen = next(each for each in protocols if each in offered)
    socket = web.WebSocketResponse(
        protocols=(chosen,) if chosen else (), max_msg_size=_LARGEST_MESSAGE, timeout=1.0, compress=False
    )
    await socket.prepare(request)
    return socket
