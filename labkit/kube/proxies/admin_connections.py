"""Connections to the admin interfaces of proxies and istiods that are kept: one a pod, as long as it lives.

Envoy's admin listens on the pod's own localhost, which is where a forwarded port ends. A question over a
kept connection costs a few milliseconds; a command in the pod (`pilot-agent request`) costs some seventy.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Coroutine
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from labkit.errors import ApiRefused, ConnectionLost
from labkit.kube.api.api import Api
from labkit.kube.pods import sessions
from labkit.kube.pods.pod_socket import Relay, open_socket
from labkit.language import gettext

if TYPE_CHECKING:
    from aiohttp import ClientSession, ClientWebSocketResponse

ADMIN_PORT = 15000
_PATIENCE = 20.0  # seconds
_IDLE = 120.0  # seconds without a question after which a connection is given up: a class has many
_T = TypeVar("_T")


class AdminPort(NamedTuple):
    """Where one listens: a port of a pod, open to the pod itself alone."""

    namespace: str
    pod: str
    port: int = ADMIN_PORT


class AdminConnections:
    """The kept connections to pods of one cluster. Safe to use from several threads."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._open: dict[AdminPort, AdminConnection] = {}
        self._forbidden: dict[str, ApiRefused] = {}
        """Namespaces where ports may not be forwarded: that is not asked again."""
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies' admin", daemon=True)
        self._thread.start()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending = contextlib.AsyncExitStack()
        self._session: ClientSession = self._call(self._ending.enter_async_context(sessions.session()))

    def get(self, place: AdminPort, page: str) -> tuple[int, bytes]:
        """Status and body of the page *page* of what listens at *place*.

        ApiRefused where its port may not be forwarded or its pod is gone, ConnectionLost where it breaks off.
        """
        if place.namespace in self._forbidden:
            raise self._forbidden[place.namespace]
        known = self._open.get(place)
        try:
            return (known or self._connect(place)).get(page)
        except ConnectionLost:
            self._forget(place)
            if known is None:
                raise
        return self._connect(place).get(page)  # it may have been idle for too long

    def close(self) -> None:
        """End every connection; twice is fine."""
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()
            if self._thread.is_alive():
                self._call(self._end())
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join()
                self._loop.close()

    def _connect(self, place: AdminPort) -> AdminConnection:
        try:
            made = self._call(self._reach(place))
        except ApiRefused as error:
            if error.code == 403:
                self._forbidden[place.namespace] = error
            raise
        with self._lock:
            before, self._open[place] = self._open.get(place), made
        if before is not None:
            before.close()
        return made

    def _forget(self, place: AdminPort) -> None:
        with self._lock:
            found = self._open.pop(place, None)
        if found is not None:
            found.close()

    async def _reach(self, place: AdminPort) -> AdminConnection:
        far = await open_socket(self._api, self._session, *place)
        ours, theirs = socket.socketpair()
        made = AdminConnection(ours)
        reader, writer = await asyncio.open_connection(sock=theirs)
        task = asyncio.ensure_future(self._pass_on(Relay(reader, writer), far, made))
        task.add_done_callback(lambda _: writer.close())  # whoever asks reads an end then
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return made

    async def _pass_on(self, relay: Relay, far: ClientWebSocketResponse, made: AdminConnection) -> None:
        """Until one side closes, or nobody has asked anything for a while."""
        passing = asyncio.ensure_future(relay.run(far))
        try:
            while not passing.done() and time.monotonic() - made.asked < _IDLE:
                await asyncio.wait([passing], timeout=_IDLE)
        finally:
            passing.cancel()
            await asyncio.gather(passing, return_exceptions=True)

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._ending.aclose()

    def _call(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class AdminConnection:
    """HTTP over *made*, one question after another."""

    def __init__(self, made: socket.socket) -> None:
        made.settimeout(_PATIENCE)
        self._http = HTTPConnection("localhost", timeout=_PATIENCE)
        self._http.sock, self._http.auto_open = made, 0
        self._lock = threading.Lock()
        self.asked = time.monotonic()
        """When it was last asked something."""

    def get(self, page: str) -> tuple[int, bytes]:
        """Status and body; ConnectionLost where it breaks off."""
        try:
            with self._lock:
                self.asked = time.monotonic()
                self._http.request("GET", f"/{page}")
                answer = self._http.getresponse()
                return answer.status, answer.read()
        except (HTTPException, OSError) as error:
            raise ConnectionLost(
                gettext("The connection to the proxy broke off: {error}", error=error)
            ) from error

    def close(self) -> None:
        """End it."""
        self._http.close()
