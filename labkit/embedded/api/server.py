"""The API server: HTTPS, one bearer token, and the way from a path to its handler."""

from __future__ import annotations

import logging
import socket
import ssl
from typing import Any

from aiohttp import web

from labkit.embedded.api import bearer, bodies, documents, responses
from labkit.embedded.api.call import Call
from labkit.embedded.api.door import Door
from labkit.embedded.api.handlers import Handlers
from labkit.embedded.api.incoming import body_of
from labkit.embedded.api.inprocess import InProcessClient
from labkit.embedded.api.negotiation import JSON
from labkit.embedded.api.target import Target, resolve
from labkit.embedded.interfaces import PodRuntime
from labkit.embedded.status import ApiError, bad_request

_OPEN_PATHS = ("/healthz", "/livez", "/readyz", "/version")
_SHUTDOWN_SECONDS = 2.0

log = logging.getLogger("labkit.embedded.api")


class ApiServer:
    """The Kubernetes API of one cluster."""

    def __init__(self, client: InProcessClient, runtime: PodRuntime, token: str) -> None:
        if not token:
            raise ValueError("an API server without a token would be open to everybody")
        self._token = token
        self._handlers = Handlers(client.verbs, runtime)
        self._door: Door | None = None
        self._runner: web.ServerRunner | None = None

    async def start(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        """Serve on *listener* (bound and listening) until :meth:`stop`."""
        self._door = Door(self._answer, request_factory=_request, handler_cancellation=True)
        self._runner = web.ServerRunner(self._door, shutdown_timeout=_SHUTDOWN_SECONDS)
        await self._runner.setup()
        self._door.open(listener, tls)

    async def stop(self) -> None:
        """End all watches and streams, finish what is under way, close the listener."""
        self._handlers.watches.close()
        self._handlers.open_streams.close()
        if self._door:
            await self._door.close()
        if self._runner:
            await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._dispatch(request)
        except ApiError as error:
            return _refusal(error)
        except (ConnectionError, TimeoutError):
            raise
        except RecursionError:
            return responses.refusal(bad_request("the request can't be answered: exceeded max depth"))
        except Exception as error:
            log.exception("%s %s", request.method, request.path)
            return responses.refusal(_fault(error))

    async def _dispatch(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.rel_url.raw_path
        if not self._may_enter(request) and path.rstrip("/") not in _OPEN_PATHS:
            raise ApiError(401, "Unauthorized", "Unauthorized")
        target = resolve(path)
        if target is None:
            return await documents.answer(request, path)
        return await self._resource(request, target)

    async def _resource(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        body, content_type = (b"", JSON) if self._handlers.streams_body(target) else await body_of(request)
        call = Call(request, target, dict(request.rel_url.query), body, content_type)
        answer = self._handlers.answer(call)
        return answer if isinstance(answer, web.StreamResponse) else await answer

    def _may_enter(self, request: web.BaseRequest) -> bool:
        given = bearer.token_of(request.headers.get("Authorization", ""))
        if not bearer.are_equal(given, self._token):
            return False
        if self._door:
            self._door.welcome(request.protocol)
        return True


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    loop = task.get_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=bodies.LARGEST)


def _refusal(error: ApiError) -> web.Response:
    """The answer; a client that was not let in is not kept either."""
    response = responses.refusal(error)
    if error.code == 401:
        response.force_close()
    return response


def _fault(error: Exception) -> ApiError:
    return ApiError(500, "InternalError", f"Internal error occurred: {error!r}")
