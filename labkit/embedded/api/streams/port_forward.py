"""``pods/NAME/portforward``: a client's connections to a pod's ports, as if from inside the pod.

With ``v4.channel.k8s.io`` the ports stand in the query, and each has two streams, one for data and
one for what went wrong; each begins with the port's number, two bytes, the low one first. A stream
can't be closed alone there: when the last port has nothing more to say, the connection ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Sequence
from functools import partial

from aiohttp import web

from labkit.embedded.api.objects.call import Call
from labkit.embedded.api.objects.verbs import Verbs
from labkit.embedded.api.request.target import not_allowed
from labkit.embedded.api.streams.channels import V4, Streams, WebSocketStreams
from labkit.embedded.api.streams.connections import Connect, Connection, ForwardError, copy
from labkit.embedded.api.streams.open_streams import OpenStreams, wants_spdy
from labkit.embedded.api.streams.port_forward_spdy import PORT_FORWARD, TUNNEL, forward_spdy, tunnel
from labkit.embedded.api.streams.spdy import SpdyConnection
from labkit.embedded.interfaces import PodRuntime, TcpAddress, UnixAddress
from labkit.embedded.objects import Obj, name_of, namespace_of
from labkit.embedded.status import ApiError, bad_request


class PortForward:
    """Answers port-forwards."""

    def __init__(self, verbs: Verbs, runtime: PodRuntime, open_streams: OpenStreams) -> None:
        self._verbs, self._runtime, self._open = verbs, runtime, open_streams

    async def answer(self, call: Call) -> web.StreamResponse:
        """Pass on, until one side closes."""
        if call.request.method not in ("GET", "POST"):
            raise not_allowed()
        pod = self._verbs.get("pods", call.target.name, call.target.namespace)
        ports = _ports(call)
        self._runtime.inside(namespace_of(pod), name_of(pod), 1)  # refused before the upgrade
        connect = self._connector(pod)
        request = call.request
        if wants_spdy(request):
            return await self._open.spdy(request, PORT_FORWARD, lambda client: forward_spdy(client, connect))
        return await self._open.websocket(
            request, (TUNNEL, V4), lambda socket: _over_websocket(socket, ports, connect)
        )

    def _connector(self, pod: Obj) -> Connect:
        async def connect(port: int) -> Connection:
            failed = f"error forwarding port {port} to pod {name_of(pod)}: "
            try:
                places = self._runtime.inside(namespace_of(pod), name_of(pod), port)
            except ApiError as error:  # the pod has gone since
                raise ForwardError(failed + error.message) from error
            for place in places:
                with contextlib.suppress(OSError):
                    return await _open(place)
            why = f"failed to connect to localhost:{port} inside the pod: connection refused"
            raise ForwardError(failed + why)

        return connect


async def _over_websocket(socket: web.WebSocketResponse, ports: Sequence[int], connect: Connect) -> None:
    if socket.ws_protocol == TUNNEL:
        read, write = tunnel(socket)
        await forward_spdy(SpdyConnection(read, write), connect)
    else:
        await forward(WebSocketStreams(socket), ports, connect)


async def _open(place: TcpAddress | UnixAddress) -> Connection:
    if isinstance(place, UnixAddress):
        return await asyncio.open_unix_connection(str(place.path))
    return await asyncio.open_connection(place.host, place.port)


def _ports(call: Call) -> list[int]:
    texts = [each for text in call.request.rel_url.query.getall("ports", ()) for each in text.split(",")]
    for text in texts:
        if not text.isdecimal() or not 0 < int(text) < 2**16:
            raise bad_request(f'invalid port "{text}": a number from 1 to 65535 is needed')
    if not texts and not _names_ports_later(call.request):
        raise bad_request('query parameter "ports" is required')
    return [int(text) for text in texts]


def _names_ports_later(request: web.BaseRequest) -> bool:
    return wants_spdy(request) or TUNNEL in request.headers.get("Sec-WebSocket-Protocol", "")


async def forward(client: Streams, ports: Sequence[int], connect: Connect) -> None:
    """Hold connections to *ports* for as long as client and pod want them."""
    writers: dict[int, asyncio.StreamWriter] = {}
    readers: dict[int, asyncio.StreamReader] = {}
    try:
        for number, port in enumerate(ports):
            await _greet(client, 2 * number, port)
        for number, port in enumerate(ports):
            try:
                readers[2 * number], writers[2 * number] = await connect(port)
            except ForwardError as error:
                await client.send(2 * number + 1, str(error).encode())
        await _pass_on(client, readers, writers)
    finally:
        for writer in writers.values():
            writer.close()


async def _greet(client: Streams, data: int, port: int) -> None:
    for stream in (data, data + 1):
        await client.send(stream, struct.pack("<H", port))


async def _pass_on(
    client: Streams, readers: dict[int, asyncio.StreamReader], writers: dict[int, asyncio.StreamWriter]
) -> None:
    """Both ways, until the client leaves or all ports have ended."""

    async def from_pod() -> None:
        await asyncio.gather(
            *(copy(reader, partial(client.send, stream)) for stream, reader in readers.items())
        )

    tasks = {asyncio.create_task(from_pod()), asyncio.create_task(_from_client(client, writers))}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _from_client(client: Streams, writers: dict[int, asyncio.StreamWriter]) -> None:
    while (received := await client.receive()) is not None:
        stream, data = received
        if writer := writers.get(stream):
            with contextlib.suppress(OSError):  # the pod has closed: its last words are on their way
                writer.write(data)
                await writer.drain()
