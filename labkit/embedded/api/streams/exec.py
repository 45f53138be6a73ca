"""``pods/NAME/exec`` and ``attach``: a client's streams at one end, a session of the node at the other.

What can't be granted is refused before the connection is taken over. After that, the last word, on
the error stream, is a ``Status``: Success, the exit code, or why the command could not be started.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Collection, Sequence
from typing import Any

from aiohttp import web

from labkit.embedded.api.objects.call import Call
from labkit.embedded.api.objects.verbs import Verbs
from labkit.embedded.api.request import options, responses
from labkit.embedded.api.request.target import not_allowed
from labkit.embedded.api.streams.channels import REMOTE_COMMAND, V4, Stream, Streams, WebSocketStreams
from labkit.embedded.api.streams.logs import container_of
from labkit.embedded.api.streams.open_streams import OpenStreams, wants_spdy
from labkit.embedded.api.streams.spdy import SpdyConnection
from labkit.embedded.api.streams.spdy_streams import SpdyStreams
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
        talk = Conversation(session, wanted.command, streams_of(call))
        if wants_spdy(call.request):
            return await self._open.spdy(call.request, V4, talk.over_spdy)
        return await self._open.websocket(call.request, REMOTE_COMMAND, talk.over_websocket)

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
        stdin=options.flag(query, "stdin"),
        tty=options.flag(query, "tty"),
    )


def streams_of(call: Call) -> list[Stream]:
    """The streams that the query asks for: the ones a client of SPDY opens."""
    tty = options.flag(call.query, "tty")
    pipes = ("stdin", "stdout") if tty else ("stdin", "stdout", "stderr")
    asked = [Stream[each.upper()] for each in pipes if options.flag(call.query, each)]
    return [Stream.ERROR, *asked, *([Stream.RESIZE] if tty else [])]


class Conversation:
    """One client's streams at one end, one session at the other."""

    def __init__(self, session: ExecSession, command: Sequence[str], streams: Collection[Stream]) -> None:
        self._session, self._command, self._streams = session, command, streams

    async def over_websocket(self, socket: web.WebSocketResponse) -> None:
        await self._hold(WebSocketStreams(socket))

    async def over_spdy(self, connection: SpdyConnection) -> None:
        client = SpdyStreams(connection)
        await client.expect(self._streams)
        await self._hold(client)
        await client.close()

    async def _hold(self, client: Streams) -> None:
        """Pass on both ways until the command ends or the client leaves; nothing of it is left then."""
        try:
            await self._session.start()
            listening = asyncio.create_task(self._listen(client))
            working = asyncio.create_task(self._work(client))
            try:
                await asyncio.wait([listening, working], return_when=asyncio.FIRST_COMPLETED)
            finally:
                await _stop(listening, working)
        except ApiError as error:
            await _last_word(client, error.status())
        finally:
            await self._session.close()

    async def _listen(self, client: Streams) -> None:
        while (received := await client.receive()) is not None:
            stream, data = received
            if stream == Stream.STDIN and Stream.STDIN in self._streams:
                await self._session.feed(data)
            elif stream == Stream.RESIZE and data:
                _resize(self._session, data)

    async def _work(self, client: Streams) -> None:
        async def send(name: str, data: bytes) -> None:
            if _OUTPUT[name] in self._streams:
                await client.send(_OUTPUT[name], data)

        code = await self._session.run(send)
        await _last_word(client, _SUCCESS if code == 0 else _failure(code, self._command))


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
        if not client.is_plain:
            await client.send(Stream.ERROR, responses.encode(status))
        elif status["status"] != "Success":
            await client.send(Stream.ERROR, str(status["message"]).encode())


def _failure(code: int, command: Sequence[str]) -> Obj:
    what = f"error executing command [{' '.join(command)}], exit code {code}"
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: {what}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }
