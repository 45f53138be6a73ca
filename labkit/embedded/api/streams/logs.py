"""``pods/NAME/log``: which container is meant, and its bytes as they come.

Over a WebSocket each message is some of them, after an empty one that says that the log is open.

Source: ``Reader`` of k8s.io/apimachinery (``util/httpstream/wsstream``).
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping

from aiohttp import web

from labkit.embedded.api.objects.call import Call
from labkit.embedded.api.objects.frames import until_left, wants_websocket
from labkit.embedded.api.objects.verbs import Verbs
from labkit.embedded.api.request import options
from labkit.embedded.api.request.target import not_allowed
from labkit.embedded.api.streams.channels import is_text
from labkit.embedded.api.streams.open_streams import OpenStreams
from labkit.embedded.interfaces import LogOptions, PodRuntime
from labkit.embedded.objects import Obj, name_of, namespace_of
from labkit.embedded.status import bad_request, invalid

PROTOCOLS = ("binary.k8s.io", "base64.binary.k8s.io", "")
"""Of a log over a WebSocket; clients that name none get bytes."""


class Logs:
    """Answers logs from the node."""

    def __init__(self, verbs: Verbs, runtime: PodRuntime, open_streams: OpenStreams) -> None:
        self._verbs, self._runtime, self._open = verbs, runtime, open_streams

    async def answer(self, call: Call) -> web.StreamResponse:
        """Stream the log; refusals come first, then the header, however long a quiet container is."""
        if call.request.method != "GET":
            raise not_allowed()
        pod = self._verbs.get("pods", call.target.name, call.target.namespace)
        chosen = log_options(pod, call.query)
        chunks = self._runtime.logs(namespace_of(pod), name_of(pod), chosen)
        if wants_websocket(call.request):
            return await self._open.websocket(call.request, PROTOCOLS, Messages(chunks).send)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(call.request)
        async for chunk in chunks:
            if chunk:
                await response.write(chunk)
        return response


class Messages:
    """A log in the messages of a WebSocket, until it ends or the client leaves."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks

    async def send(self, socket: web.WebSocketResponse) -> None:
        working = asyncio.create_task(self._work(socket))
        leaving = asyncio.create_task(until_left(socket))
        try:
            await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            working.cancel()
            leaving.cancel()
            await asyncio.gather(working, leaving, return_exceptions=True)

    async def _work(self, socket: web.WebSocketResponse) -> None:
        as_text = is_text(socket.ws_protocol or "")
        await _send(socket, b"", as_text=as_text)
        async for chunk in self._chunks:
            if chunk:
                await _send(socket, chunk, as_text=as_text)


async def _send(socket: web.WebSocketResponse, data: bytes, *, as_text: bool) -> None:
    if as_text:
        await socket.send_str(base64.b64encode(data).decode())
    else:
        await socket.send_bytes(data)


def log_options(pod: Obj, query: Mapping[str, str]) -> LogOptions:
    """Of the query; ApiError 400 where it does not name a container of *pod*."""
    return LogOptions(
        container=container_of(pod, query.get("container", "")),
        follow=options.flag(query, "follow"),
        previous=options.flag(query, "previous"),
        timestamps=options.flag(query, "timestamps"),
        tail_lines=_at_least(0, pod, query, "tailLines"),
        since_seconds=_at_least(1, pod, query, "sinceSeconds"),
        since_time=query.get("sinceTime", ""),
        limit_bytes=_at_least(1, pod, query, "limitBytes"),
    )


def _at_least(least: int, pod: Obj, query: Mapping[str, str], name: str) -> int | None:
    value = options.number(query, name)
    if value is None or value >= least:
        return value
    bound = "greater than 0" if least else "greater than or equal to 0"
    cause = (name, "FieldValueInvalid", f"Invalid value: {value}: must be {bound}")
    raise invalid("PodLogOptions", "", name_of(pod), [cause])


def container_of(pod: Obj, asked: str) -> str:
    """The container that is meant; ApiError 400 where that is none, or not clear."""
    spec, name = pod.get("spec", {}), name_of(pod)
    containers = [each["name"] for each in spec.get("containers") or ()]
    init = [each["name"] for each in spec.get("initContainers") or ()]
    debugging = [each["name"] for each in spec.get("ephemeralContainers") or ()]
    if asked:
        if asked not in (*containers, *init, *debugging):
            raise bad_request(f"container {asked} is not valid for pod {name}")
        return asked
    if len(containers) == 1:
        return str(containers[0])
    choices = f"choose one of: [{' '.join(containers)}]"
    if init:
        choices += f" or one of the init containers: [{' '.join(init)}]"
    if debugging:
        choices += f" or one of the ephemeral containers: [{' '.join(debugging)}]"
    raise bad_request(f"a container name must be specified for pod {name}, {choices}")
