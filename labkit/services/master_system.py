"""The client of the "master system": calls a URL and words what happened as Spring's RestTemplate does.

The services this lab book was written for are Spring Boot 2.5 applications (Spring 5.3, Java 11),
and a learner compares their answers word for word, so the messages keep the form of
``RestClientException``: ``I/O error on GET request for "URL": …; nested exception is …`` where no
answer came, ``404 Not Found: [no body]`` where it was an error. Each text belongs to one real
cause; nothing is said that did not happen.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping

import aiohttp
from aiohttp import web

from labkit.services import server

# What a service must hand on so that proxies can join the spans and log lines of one request.
TRACE_HEADERS = (
    "x-request-id",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "b3",
    "traceparent",
    "tracestate",
    "x-client-trace-id",
    "x-envoy-force-trace",
)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

CONNECT_SECONDS = float(os.environ.get("CONNECT_TIMEOUT", "10"))
READ_SECONDS = float(os.environ.get("READ_TIMEOUT", "30"))
KEEP_ALIVE_SECONDS = 5.0  # as java.net.HttpURLConnection keeps an idle connection
MAX_REDIRECTS = 20  # the same

_SESSION = web.AppKey("session", aiohttp.ClientSession)


class NoAnswer(Exception):  # noqa: N818 - named as what it means
    """The call got no answer; carries the Java exception's class and message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def caller(name: str, port: int, url: str, greeting: str) -> None:
    """Serve *greeting* followed by what calling *url* gave, on *port*, until told to stop."""

    async def answer(request: web.Request) -> str:
        said = await call(request.app[_SESSION], url, request.headers)
        return f"{greeting} Calling master system API... {said}"

    app = server.application(answer)
    app.cleanup_ctx.append(_session(name))
    server.serve(name, port, app)


async def call(session: aiohttp.ClientSession, url: str, incoming: Mapping[str, str]) -> str:
    """GET *url* on behalf of the *incoming* request; a sentence saying what came back."""
    agent = user_agent(session.headers["User-Agent"], incoming)
    try:
        status, reason, body = await _get(session, url, {**trace_headers(incoming), "User-Agent": agent})
    except NoAnswer as failure:
        return io_error(url, failure)
    if status >= 400:
        return f"{status} {reason}: {quoted(body)}"
    return f"Received response from master system ({url}): {body or 'null'}"


def trace_headers(incoming: Mapping[str, str]) -> dict[str, str]:
    """The headers of *incoming* that belong to the trace, not to this hop."""
    return {name: incoming[name] for name in TRACE_HEADERS if name in incoming}


def user_agent(name: str, incoming: Mapping[str, str]) -> str:
    """*name*, and the id of the request for which it calls: ``ServiceC (request 9e85001c-…)``.

    In the place of the id that ``x-request-id`` passes on a gateway puts one of its own. This it leaves
    alone, and every proxy writes it into its access log.
    """
    its_id = incoming.get("x-request-id", "")
    return f"{name} (request {its_id})" if _REQUEST_ID.fullmatch(its_id) else name


def io_error(url: str, failure: NoAnswer) -> str:
    """``ResourceAccessException``'s message; it leaves the query out of the URL."""
    resource = url.partition("?")[0]
    nested = f"nested exception is {failure.kind}: {failure}"
    return f'I/O error on GET request for "{resource}": {failure}; {nested}'


def quoted(body: str) -> str:
    """An error's *body* as Spring 5.3 prints it: quoted, on one line."""
    if not body:
        return "[no body]"
    one_line = re.sub(r"[\n\r]", "<EOL>", f'"{body}"')
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "?", one_line)


async def _get(session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> tuple[int, str, str]:
    try:
        async with session.get(url, headers=headers, max_redirects=MAX_REDIRECTS) as response:
            return response.status, response.reason or "", await response.text()
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise _no_answer(error, url) from error


def _no_answer(error: Exception, url: str) -> NoAnswer:
    match error:
        case aiohttp.ClientConnectorDNSError(host=host):
            return NoAnswer("java.net.UnknownHostException", str(host))
        case aiohttp.ConnectionTimeoutError():
            return NoAnswer("java.net.SocketTimeoutException", "connect timed out")
        case TimeoutError():
            return NoAnswer("java.net.SocketTimeoutException", "Read timed out")
        case aiohttp.TooManyRedirects():
            return NoAnswer(
                "java.net.ProtocolException", f"Server redirected too many times ({MAX_REDIRECTS})"
            )
        case aiohttp.ClientConnectorError(os_error=cause) if cause.errno == errno.ECONNREFUSED:
            return NoAnswer("java.net.ConnectException", "Connection refused (Connection refused)")
        case aiohttp.ClientConnectorError(os_error=cause) if cause.errno == errno.ENETUNREACH:
            return NoAnswer("java.net.ConnectException", "Network is unreachable (connect failed)")
        case aiohttp.ClientConnectorError(os_error=cause) if cause.errno == errno.EHOSTUNREACH:
            return NoAnswer("java.net.NoRouteToHostException", "No route to host (Host unreachable)")
        case ConnectionResetError() | aiohttp.ClientOSError(errno=errno.ECONNRESET):
            return NoAnswer("java.net.SocketException", "Connection reset")
        case BrokenPipeError() | aiohttp.ClientOSError(errno=errno.EPIPE):
            return NoAnswer("java.net.SocketException", "Broken pipe (Write failed)")
        case aiohttp.ServerDisconnectedError():
            return NoAnswer("java.net.SocketException", "Unexpected end of file from server")
        case aiohttp.ClientPayloadError():
            return NoAnswer("java.io.IOException", "Premature EOF")
        case aiohttp.InvalidURL() | ValueError():
            return NoAnswer("java.net.MalformedURLException", f"no valid URL: {url}")
    return NoAnswer("java.io.IOException", str(error) or type(error).__name__)


def _session(name: str) -> Callable[[web.Application], AsyncIterator[None]]:
    async def context(app: web.Application) -> AsyncIterator[None]:
        async with new_session(name) as app[_SESSION]:
            yield

    return context


def new_session(name: str) -> aiohttp.ClientSession:
    """The one session of a service; names are looked up for every new connection, never remembered."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, use_dns_cache=False, keepalive_timeout=KEEP_ALIVE_SECONDS),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS),
        headers={"User-Agent": name, "Accept": "text/plain, application/json, */*"},
    )
