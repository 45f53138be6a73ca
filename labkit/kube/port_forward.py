"""A port of this machine that leads to the pods behind a Service, through the API server alone.

What `kubectl port-forward` does, but it outlives its pod: every connection looks for a pod that is
ready, so that a gateway that is replaced is found again. Each connection is one WebSocket to
``pods/NAME/portforward`` (protocol ``v4.channel.k8s.io``: the first byte of a message names its
stream, 0 for data, 1 for what went wrong; each stream begins with the port's number). All of them
are served by one event loop in a thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from labkit.errors import ApiRefused, ClusterError, ConnectionLost, LabkitError
from labkit.kube import sessions
from labkit.kube.api import Api, Obj
from labkit.kube.conditions import is_serving
from labkit.kube.refusals import refused
from labkit.kube.resources import PODS

if TYPE_CHECKING:
    from aiohttp import ClientSession, ClientWebSocketResponse, WSMessage

HOST = "127.0.0.1"
_PROTOCOL = "v4.channel.k8s.io"
_DATA = 0
_REFUSED = "refused"
_CHUNK = 64 * 1024
_PATIENCE = 10.0  # seconds a new connection waits for a ready pod
_PAUSE = 0.2  # between two looks
_SILENCE = 0.5  # seconds without a refusal that show that somebody listens
_T = TypeVar("_T")


class PortForward:
    """Listens on ``127.0.0.1``, on a free port, until :meth:`close`."""

    def __init__(self, api: Api, service: Obj, port: Obj) -> None:
        """*port* is one of the ports in the spec of *service*."""
        self._api, self._port = api, port
        self._namespace, self._service = service["metadata"]["namespace"], service["metadata"]["name"]
        selector = service["spec"].get("selector") or {}
        self._selector = ",".join(f"{key}={value}" for key, value in selector.items())
        self._pod: tuple[str, int] | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="port-forward", daemon=True)
        self._thread.start()
        self._ending = contextlib.AsyncExitStack()
        self._session, self._server = self._call(self._listen())
        self.port: int = self._server.sockets[0].getsockname()[1]

    def leads_somewhere(self) -> bool:
        """Whether something listens at the other end now; ApiRefused where we may not ask."""
        return self._thread.is_alive() and self._call(self._leads_somewhere())

    def close(self) -> None:
        """Stop listening and end every connection; twice is fine."""
        if self._thread.is_alive():
            self._call(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _call(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _listen(self) -> tuple[ClientSession, asyncio.Server]:
        session = await self._ending.enter_async_context(sessions.session())
        return session, await asyncio.start_server(self._accept, HOST, 0, backlog=128)

    async def _end(self) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._ending.aclose()

    async def _leads_somewhere(self) -> bool:
        socket = await self._open(0.0)
        try:
            async with asyncio.timeout(_SILENCE):
                return _is_data(await socket.receive())
        except TimeoutError:
            return True
        finally:
            await socket.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._relay(reader, writer)
        except (LabkitError, OSError, asyncio.CancelledError):
            writer.transport.abort()  # what a port without a listener does: the client is reset
        finally:
            self._connections.discard(task)
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on to one pod; to another one where it refuses before anything is lost."""
        relay = Relay(reader, writer)
        deadline = self._loop.time() + _PATIENCE
        while not await relay.run(await self._open(_PATIENCE)):
            self._pod = None
            if relay.is_lost or self._loop.time() >= deadline:
                raise ConnectionLost("the pod refuses connections")
            await asyncio.sleep(_PAUSE)

    async def _open(self, patience: float) -> ClientWebSocketResponse:
        """A connection to a ready pod, waited for up to *patience* seconds."""
        deadline = self._loop.time() + patience
        while True:
            try:
                if self._pod is None:
                    self._pod = await asyncio.to_thread(self._ready_pod)
                return await self._connect(*self._pod)
            except (ApiRefused, ConnectionLost, _NoPodError):
                self._pod = None
                if self._loop.time() >= deadline:
                    raise
            await asyncio.sleep(_PAUSE)

    async def _connect(self, pod: str, port: int) -> ClientWebSocketResponse:
        from aiohttp import ClientError, WSServerHandshakeError

        path = f"{PODS.path(self._namespace, pod)}/portforward"
        headers, tls = await asyncio.to_thread(self._api.credentials)
        url = f"{self._api.host}{path}?ports={port}"
        try:
            socket = await self._session.ws_connect(
                url,
                headers=headers,
                proxy=self._api.forward_proxy,
                protocols=(_PROTOCOL,),
                ssl=tls or True,
                compress=0,
                max_msg_size=0,
            )
        except WSServerHandshakeError as error:
            raise refused(error.status, error.message.encode(), path) from error
        except (ClientError, OSError) as error:
            raise ConnectionLost(f"No connection to {pod} by way of {self._api.host}: {error}") from error
        for _ in ("data", "error"):
            await socket.receive()  # the port's number
        return socket

    def _ready_pod(self) -> tuple[str, int]:
        pods = self._api.items(PODS.path(self._namespace), labelSelector=self._selector)
        for pod in pods if self._selector else []:
            if is_serving(pod):
                return pod["metadata"]["name"], _target_port(self._port, pod)
        raise _NoPodError(f"No pod of the Service {self._service} is ready. See lab.pods().")


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
            if not _is_data(message):
                return _REFUSED
            self.is_lost = True
            self._writer.write(message.data[1:])
            await self._writer.drain()
        return ""


class _NoPodError(ClusterError):
    """No pod is ready; perhaps in a moment."""


def _is_data(message: WSMessage) -> bool:
    from aiohttp import WSMsgType

    return message.type is WSMsgType.BINARY and message.data[0] == _DATA


def _target_port(port: Obj, pod: Obj) -> int:
    """Where *pod* listens for the Service's *port*: a number, or the name of a container's port."""
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    for container in pod["spec"]["containers"]:
        for each in container.get("ports") or []:
            if each.get("name") == target:
                return int(each["containerPort"])
    raise ClusterError(f"No container of pod {pod['metadata']['name']} has a port named {target}.")
