"""The API server: HTTPS, and the way from a request past the gate to its handler."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from labkit.embedded.api.access import attributes, openid, signers
from labkit.embedded.api.access.escalation import NoEscalation
from labkit.embedded.api.access.gate import Gate, Requester
from labkit.embedded.api.access.keys import SigningKey
from labkit.embedded.api.describe.documents import Documents
from labkit.embedded.api.describe.metrics import Requests
from labkit.embedded.api.door import Door
from labkit.embedded.api.handlers import Handlers
from labkit.embedded.api.inprocess import InProcessClient
from labkit.embedded.api.kinds.custom import deprecation
from labkit.embedded.api.objects.call import Call
from labkit.embedded.api.request import bodies, options, responses
from labkit.embedded.api.request.incoming import body_of
from labkit.embedded.api.request.negotiation import JSON
from labkit.embedded.api.request.target import Target, resolve
from labkit.embedded.api.streams.webhook_calls import WebhookCalls
from labkit.embedded.interfaces import PodRuntime
from labkit.embedded.status import ApiError, bad_request

_SHUTDOWN_SECONDS = 2.0
_TARGET = web.RequestKey("target", Target)
"""Of a request: what its path names, where it names something."""
_DEPRECATED = web.RequestKey("deprecated", str)
"""Of a request: the warning that belongs to a version that is deprecated."""

log = logging.getLogger("labkit.embedded.api")


class ApiServer:
    """The Kubernetes API of one cluster."""

    def __init__(
        self, client: InProcessClient, runtime: PodRuntime, token: str, key: SigningKey | None = None
    ) -> None:
        """*token*: the owner's; *key* signs those of ServiceAccounts (default: one that is never kept)."""
        if not token:
            raise ValueError("an API server without a token would be open to everybody")
        self._gate = Gate(client.store, token, key or SigningKey())
        self._registry = client.verbs.registry
        self._requests = Requests()
        self._documents = Documents(self._registry, client.store, self._requests)
        client.add_validation(NoEscalation(self._gate.authorizer))
        client.add_admission(signers.requested)
        client.add_decision(signers.Decisions(self._gate.authorizer))
        self._handlers = Handlers(client.verbs, runtime, self._gate)
        self._door: Door | None = None
        self._runner: web.ServerRunner | None = None

    @property
    def webhooks(self) -> WebhookCalls:
        """Who puts questions to webhooks."""
        return self._handlers.webhooks

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
        response = await self._answered(request)
        is_watch = options.flag(dict(request.rel_url.query), "watch")
        self._requests.note(request.method, request.get(_TARGET), response.status, is_watch=is_watch)
        if _DEPRECATED in request and not response.prepared:
            response.headers.add("Warning", responses.warning_header(request[_DEPRECATED]))
        return response

    async def _answered(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._dispatch(request)
        except ApiError as error:
            return _refusal(error)
        except (ConnectionError, TimeoutError):
            raise
        except web.HTTPBadRequest as error:  # a WebSocket's handshake that is none
            return responses.refusal(bad_request(f"unable to upgrade: {error.text}"))
        except RecursionError:
            return responses.refusal(bad_request("the request can't be answered: exceeded max depth"))
        except Exception as error:
            log.exception("%s %s", request.method, request.path)
            return responses.refusal(_fault(error))

    async def _dispatch(self, request: web.BaseRequest) -> web.StreamResponse:
        sender = self._gate.authenticate(request.headers, _certificate(request))
        if sender and self._door:
            self._door.welcome(request.protocol)
        path, query = request.rel_url.raw_path, dict(request.rel_url.query)
        if (target := resolve(self._registry, path)) is not None:
            _note(request, target)
        asked = attributes.of_request(request.method, path, target, query)
        user = self._gate.admit(sender, request.headers, asked)
        if target is None or user is None:
            found = openid.document(request, path, self._gate.key)
            return found or await self._documents.answer(request, path)
        call = await self._call(request, target, query, Requester(self._gate, user, asked))
        answer = self._handlers.answer(call)
        return answer if isinstance(answer, web.StreamResponse) else await answer

    async def _call(
        self, request: web.BaseRequest, target: Target, query: dict[str, str], requester: Requester
    ) -> Call:
        """The request with its body, read."""
        body, content_type = (b"", JSON) if self._handlers.streams_body(target) else await body_of(request)
        return Call(request, target, query, requester, self._registry, body, content_type)


def _certificate(request: web.BaseRequest) -> Mapping[str, Any] | None:
    """What the client has shown in its handshake, if it has (``ssl.SSLSocket.getpeercert``)."""
    return request.transport.get_extra_info("peercert") if request.transport else None


def _note(request: web.BaseRequest, target: Target) -> None:
    """Keep what is said of the request after its answer."""
    request[_TARGET] = target
    if target.kind.custom and (old := deprecation(target.kind, target.version)):
        request[_DEPRECATED] = old


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
