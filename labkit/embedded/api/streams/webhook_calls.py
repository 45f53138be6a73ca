"""Webhooks called: by their address, or by a service through the cluster's own network.

The errors are those of Go's HTTP client and of ``pkg/util/webhook`` of k8s.io/apiserver, which a real server
passes on.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from labkit.embedded.api.admission.webhooks.journal import Journal, Question, Reply
from labkit.embedded.api.objects.verbs import Verbs
from labkit.embedded.api.streams.backends import Backends
from labkit.embedded.interfaces import PodRuntime, TcpAddress, UnixAddress
from labkit.embedded.objects import Obj
from labkit.embedded.status import ApiError, not_found

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

_SHOWN = 2000


class WebhookCalls:
    """Puts questions to webhooks."""

    def __init__(self, verbs: Verbs, runtime: PodRuntime) -> None:
        self._backends, self._runtime = Backends(verbs), runtime

    async def ask(self, questions: Sequence[Question], journal: Journal) -> None:
        """Ask all at once, and note what each says."""
        replies = await asyncio.gather(*(self._ask(each) for each in questions))
        for question, reply in zip(questions, replies, strict=True):
            journal.replies[question.place] = reply

    async def _ask(self, question: Question) -> Reply:
        from aiohttp import ClientError

        uid, client = question.review["request"]["uid"], question.hook["clientConfig"]
        seconds = question.hook["timeoutSeconds"]
        url = f"{_url(client)}?timeout={seconds}s"
        try:
            async with asyncio.timeout(seconds), self._session(client) as session:
                return Reply(uid, await _post(session, url, question))
        except _RefusedError as error:
            return Reply(uid, failure=str(error))
        except (ClientError, OSError, ApiError, ValueError) as error:
            return Reply(uid, failure=f'Post "{url}": {_words(error)}')

    def _session(self, client: Obj) -> ClientSession:
        from aiohttp import ClientSession, ClientTimeout, TCPConnector

        context, service = _context(client.get("caBundle") or ""), client.get("service")
        resolver: Any = _Fixed(self._place(service)) if service else None
        connector = TCPConnector(ssl=context, resolver=resolver)
        return ClientSession(connector=connector, timeout=ClientTimeout(total=None), trust_env=False)

    def _place(self, service: Obj) -> TcpAddress:
        """Where one of the pods behind *service* listens; ApiError with the real server's words."""
        name = service["name"]
        try:
            backend = self._backends.of_service(service["namespace"], name, service["port"])
        except ApiError as error:
            raise not_found("service", name) if error.code == 404 else error from error
        place = self._runtime.dial(backend.namespace, backend.pod, backend.port)
        if isinstance(place, UnixAddress):
            why = f'port {backend.port} of "{name}" is not on the network'
            raise ApiError(503, "ServiceUnavailable", why)
        return place


class _RefusedError(Exception):
    """The webhook has answered, with something that is no review."""


def _url(client: Obj) -> str:
    if service := client.get("service"):
        path = "/" + (service.get("path") or "/").lstrip("/")
        return f"https://{service['name']}.{service['namespace']}.svc:{service['port']}{path}"
    return str(client["url"])


async def _post(session: ClientSession, url: str, question: Question) -> Any:
    async with session.post(url, json=question.review, allow_redirects=False) as answer:
        body = await _body(answer, question.largest)
        if not 200 <= answer.status < 300:
            said = body[:_SHOWN] if answer.content_type.startswith("text/") else b""
            raise _RefusedError(_unexpected(answer.status, said.decode(errors="replace").strip()))
    try:
        found = json.loads(body)
    except ValueError:
        text = body[:_SHOWN].decode(errors="replace")
        raise _RefusedError(f"couldn't get version/kind; json parse error: {text!r}") from None
    if not isinstance(found, dict):
        raise _RefusedError("couldn't get version/kind; json parse error: the answer is no object")
    return found


async def _body(answer: ClientResponse, largest: int) -> bytes:
    """Of *answer*, all that came of it, up to *largest* bytes."""
    body = b""
    async for some in answer.content.iter_any():
        body += some
        if len(body) > largest:
            raise _RefusedError(f"the answer is larger than {largest} bytes")
    return body


def _unexpected(status: int, text: str) -> str:
    """As client-go's ``NewGenericServerResponse`` words a status that is no success."""
    if status == 404:
        return "the server could not find the requested resource"
    if status == 503:
        return "the server is currently unable to handle the request"
    if status >= 500:
        return f'an error on the server ("{text or "unknown"}") has prevented the request from succeeding'
    if status in (400, 401, 403):
        words = {
            400: "the server rejected our request for an unknown reason",
            401: "the server has asked for the client to provide credentials",
            403: "forbidden: unknown",
        }
        return words[status]
    return f"the server responded with the status code {status} but did not return more information"


def _words(error: Exception) -> str:
    """What went wrong, as Go would have it."""
    from aiohttp import ClientConnectorCertificateError, ClientConnectorError

    if isinstance(error, TimeoutError):
        return "context deadline exceeded"
    if isinstance(error, ClientConnectorCertificateError):
        return f"tls: failed to verify certificate: x509: {_verification(error.certificate_error)}"
    if isinstance(error, ClientConnectorError):
        refused = isinstance(error.os_error, ConnectionRefusedError)
        why = "connect: connection refused" if refused else str(error.os_error)
        return f"dial tcp {error.host}:{error.port}: {why}"
    return str(error)


def _verification(error: Exception) -> str:
    text = getattr(error, "verify_message", "") or str(error)
    if "self" in text or "unable to get" in text:
        return "certificate signed by unknown authority"
    return str(text)


@lru_cache(64)
def _context(bundle: str) -> ssl.SSLContext:
    """Who trusts the authorities in *bundle* (base64), else those of the system."""
    if not bundle:
        return ssl.create_default_context()
    return ssl.create_default_context(cadata=base64.b64decode(bundle).decode())


class _Fixed:
    """Resolves any name to one address: the name is only for the certificate."""

    def __init__(self, place: TcpAddress) -> None:
        self._place = place

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        """As aiohttp's ``AbstractResolver``."""
        place = self._place
        return [
            {"hostname": host, "host": place.host, "port": place.port, "family": 2, "proto": 0, "flags": 0}
        ]

    async def close(self) -> None:
        """Nothing is open."""
