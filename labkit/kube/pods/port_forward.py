"""A port of this machine that leads to the pods behind a Service, through the API server alone.

What `kubectl port-forward` does, but it outlives its pod: every connection looks for a pod that is
ready, so that a gateway that is replaced is found again. Each connection is one WebSocket
(:mod:`labkit.kube.pods.pod_socket`). All of them are served by one event loop in a thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from labkit.errors import ApiRefused, ClusterError, ConnectionLost, LabkitError
from labkit.kube.api.api import Api, Obj
from labkit.kube.api.conditions import is_serving
from labkit.kube.api.resources import PODS
from labkit.kube.pods import sessions
from labkit.kube.pods.pod_socket import Relay, is_data, open_socket
from labkit.language import gettext

if TYPE_CHECKING:
    from aiohttp import ClientSession, ClientWebSocketResponse

HOST = "127.0.0.1"
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
                return is_data(await socket.receive())
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
        return await open_socket(self._api, self._session, self._namespace, pod, port)

    def _ready_pod(self) -> tuple[str, int]:
        pods = self._api.items(PODS.path(self._namespace), labelSelector=self._selector)
        for pod in pods if self._selector else []:
            if is_serving(pod):
                return pod["metadata"]["name"], _target_port(self._port, pod)
        raise _NoPodError(
            gettext("No pod of the Service {service} is ready. See lab.pods().", service=self._service)
        )


class _NoPodError(ClusterError):
    """No pod is ready; perhaps in a moment."""


def _target_port(port: Obj, pod: Obj) -> int:
    """Where *pod* listens for the Service's *port*: a number, or the name of a container's port."""
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    for container in pod["spec"]["containers"]:
        for each in container.get("ports") or []:
            if each.get("name") == target:
                return int(each["containerPort"])
    raise ClusterError(
        gettext(
            "No container of pod {name} has a port named {target}.",
            name=pod["metadata"]["name"],
            target=target,
        )
    )
