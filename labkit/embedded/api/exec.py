"""``pods/NAME/exec`` and ``attach``: a client's streams at one end, a session of the node at the other.

What can't be granted is refused before the connection is taken over. After that, the last word, on
the error stream, is a ``Status``: Success, the exit code, or why the command could not be started.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from aiohttp import web

from labkit.embedded.api import options, responses
from labkit.embedded.api.call import Call
from labkit.embedded.api.logs import container_of
from labkit.embedded.api.open_streams import OpenStreams, wants_spdy
from labkit.embedded.api.spdy import SpdyConnection
from labkit.embedded.api.spdy_streams import SpdyStreams
from labkit.embedded.api.streams import V4, V5, Stream, Streams, WebSocketStreams
from labkit.embedded.api.target import not_allowed
from labkit.embedded.api.verbs import Verbs
from labkit.embedded.interfaces import ExecOptions, ExecSession, PodRuntime
from labkit.embedded.objects import Obj, name_of, namespace_of
from labkit.embedded.status import ApiError, bad_request

_OUTPUT = {"stdout": Stream.STDOUT, "stderr": Stream.STDERR}
_SUCCESS = {"metadata": {}, "status": "Success"}


class Exec:
    """Answers both."""

    def __init__(self, verbs: Verbs, runtime: PodRuntime, open_streams: OpenStreams) -> None:
        self._verbs, self._runtime, self._open = verbs, runtime, open_streams

    async def answer(self, call: Call) -> web.StreamResponse:
        """Hold the conversation, to its end."""
        if call.request.method not in ("GET", "POST"):
            raise not_allowed()
        pod = self._verbs.get("pods", call.target.name, call.target.namespace)
        wanted = exec_options(pod, call)
        try:
            session = self._session(call.target.subresource, pod, wanted)
        except ApiError as error:
            if error.code != 500:
                raise
            return responses.text(error.message, 500)  # a kubelet's words are passed on as they are
        if wants_spdy(call.request):
            wanted_streams = streams_of(call)
            return await self._open.spdy(call.request, V4, lambda c: _over_spdy(c, wanted_streams, session))
        return await self._open.websocket(call.request, (V5, V4), lambda ws: _over_websocket(ws, session))

    def _session(self, subresource: str, pod: Obj, wanted: ExecOptions) -> ExecSession:
        make = self._runtime.exec if subresource == "exec" else self._runtime.attach
        return make(namespace_of(pod), name_of(pod), wanted)


def exec_options(pod: Obj, call: Call) -> ExecOptions:
    """Of the query; ApiError 400 for what makes no sense."""
    query = call.query
    command = tuple(call.request.rel_url.query.getall("command", ()))
    if call.target.subresource == "exec" and not any(command):
        raise bad_request("you must specify at least 1 command for the container")
    if not any(options.flag(query, each) for each in ("stdin", "stdout", "stderr")):
        raise bad_request("you must specify at least 1 of stdin, stdout, stderr")
    return ExecOptions(
        container=container_of(pod, query.get("container", "")),
        command=command,
        tty=options.flag(query, "tty"),
    )


def streams_of(call: Call) -> list[Stream]:
    """The streams that a client of SPDY opens for what its query asks."""
    tty = options.flag(call.query, "tty")
    pipes = ("stdin", "stdout") if tty else ("stdin", "stdout", "stderr")
    asked = [Stream[each.upper()] for each in pipes if options.flag(call.query, each)]
    return [Stream.ERROR, *asked, *([Stream.RESIZE] if tty else [])]


async def _over_websocket(socket: web.WebSocketResponse, session: ExecSession) -> None:
    await converse(WebSocketStreams(socket), session)


async def _over_spdy(connection: SpdyConnection, wanted: list[Stream], session: ExecSession) -> None:
    client = SpdyStreams(connection)
    await client.expect(wanted)
    await converse(client, session)
    await client.close()


async def converse(client: Streams, session: ExecSession) -> None:
    """Pass on both ways until the command ends or the client leaves; nothing of it is left then."""
    try:
        await session.start()
        listening = asyncio.create_task(_listen(client, session))
        working = asyncio.create_task(_work(client, session))
        try:
            await asyncio.wait([listening, working], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _stop(listening, working)
    except ApiError as error:
        await _last_word(client, error.status())
    finally:
        await session.close()


async def _listen(client: Streams, session: ExecSession) -> None:
    while (received := await client.receive()) is not None:
        stream, data = received
        if stream == Stream.STDIN:
            await session.feed(data)
        elif stream == Stream.RESIZE and data:
            _resize(session, data)


async def _work(client: Streams, session: ExecSession) -> None:
    async def send(name: str, data: bytes) -> None:
        await client.send(_OUTPUT[name], data)

    code = await session.run(send)
    await _last_word(client, _SUCCESS if code == 0 else _failure(code))


async def _stop(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _resize(session: ExecSession, data: bytes) -> None:
    with contextlib.suppress(ValueError, TypeError, KeyError, OverflowError):
        size = json.loads(data)
        session.resize(min(int(size["Width"]), 0xFFFF), min(int(size["Height"]), 0xFFFF))


async def _last_word(client: Streams, status: Any) -> None:
    with contextlib.suppress(ConnectionError):
        await client.send(Stream.ERROR, responses.encode(status))


def _failure(code: int) -> Obj:
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit code {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }
