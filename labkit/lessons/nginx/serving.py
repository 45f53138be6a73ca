"""nginx at work: which server, which location, what is answered, what is logged."""

from __future__ import annotations

import mimetypes
import ssl
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

import aiohttp
from aiohttp import web

from labkit.lessons.http import Listener, client_address, say, serve
from labkit.lessons.nginx.configuration import Location, Server

VERSION = "nginx/1.27.5"
WELCOME = (
    "<!DOCTYPE html>\n<html>\n<head>\n<title>Welcome to nginx!</title>\n</head>\n<body>\n"
    "<h1>Welcome to nginx!</h1>\n<p>This page comes from a small stand-in for nginx in the lab.</p>\n"
    "</body>\n</html>\n"
)
_SERVER = web.AppKey("servers", list[Server])
_CLIENT = web.AppKey("client", aiohttp.ClientSession)
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


def run(servers: list[Server]) -> int:
    """Serve until stopped."""
    app = web.Application(middlewares=[_logged])
    app[_SERVER] = servers
    app.cleanup_ctx.append(_with_client)
    app.router.add_route("*", "/{path:.*}", _answer)
    try:
        listeners = [Listener(port, tls=_tls(servers, port)) for port in _ports(servers)]
    except (OSError, ssl.SSLError) as error:
        print(f"nginx: [emerg] cannot load certificate: {error}", file=sys.stderr)
        return 1
    return serve(app, *listeners)


def _ports(servers: list[Server]) -> list[int]:
    return list(dict.fromkeys(port for server in servers for port, _ in server.listens))


def _tls(servers: list[Server], port: int) -> ssl.SSLContext | None:
    """The certificates of all servers on *port*, chosen by the name the client asks for."""
    contexts = [(server, _context(server)) for server in servers if (port, True) in server.listens]
    if not contexts:
        return None

    def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        for server, context in contexts:
            if name in server.names:
                connection.context = context

    first: ssl.SSLContext = contexts[0][1]
    first.sni_callback = choose
    return first


def _context(server: Server) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key or server.certificate)
    if server.verifies != "off" and server.client_authority:
        context.load_verify_locations(server.client_authority)
        context.verify_mode = ssl.CERT_REQUIRED if server.verifies == "on" else ssl.CERT_OPTIONAL
    return context


async def _with_client(app: web.Application) -> Any:
    async with aiohttp.ClientSession(auto_decompress=False) as app[_CLIENT]:
        yield


def _server_of(request: web.Request) -> Server:
    port = request.transport.get_extra_info("sockname")[1] if request.transport else 0
    here = [server for server in request.app[_SERVER] if port in (each for each, _ in server.listens)]
    here = here or request.app[_SERVER]
    name = request.host.partition(":")[0]
    return next((server for server in here if name in server.names), here[0])


def location_of(server: Server, path: str) -> Location:
    """The location that nginx chooses: the exact one, else the longest prefix."""
    exact = [each for each in server.locations if each.exact and each.prefix == path]
    fitting = [each for each in server.locations if not each.exact and path.startswith(each.prefix)]
    return exact[0] if exact else max(fitting, key=lambda each: len(each.prefix))


async def _answer(request: web.Request) -> web.StreamResponse:
    location = location_of(_server_of(request), request.path)
    if location.answer:
        response: web.StreamResponse = _returned(request, location)
    elif location.proxy:
        response = await _passed_on(request, location)
    else:
        response = _file(request, location)
    for name, value in location.headers:
        response.headers[name] = filled(value, request)
    return response


def _returned(request: web.Request, location: Location) -> web.Response:
    assert location.answer
    status, text = location.answer[0], filled(location.answer[1], request)
    if status in (301, 302, 303, 307, 308):
        return web.Response(status=status, headers={"Location": text})
    return web.Response(status=status, text=text, headers={"Content-Type": location.default_type})


def _file(request: web.Request, location: Location) -> web.StreamResponse:
    root = Path(location.root)
    path = (root / request.path.lstrip("/")).resolve()
    if not path.is_relative_to(root.resolve()):
        return _error(403, "Forbidden")
    if path.is_dir():
        path = next((path / name for name in location.index if (path / name).is_file()), path)
    if path.is_file():
        kind = mimetypes.guess_type(path.name)[0] or location.default_type
        return web.Response(body=path.read_bytes(), headers={"Content-Type": kind})
    if request.path in ("/", "/index.html") and not root.is_dir():
        return web.Response(text=WELCOME, content_type="text/html")
    return _error(403, "Forbidden") if path.is_dir() else _error(404, "Not Found")


def _error(status: int, reason: str) -> web.Response:
    title = f"{status} {reason}"
    text = f"<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n</body>\n</html>\n"
    return web.Response(status=status, text=text, content_type="text/html")


async def _passed_on(request: web.Request, location: Location) -> web.StreamResponse:
    target = location.proxy.rstrip("/") + request.path_qs
    headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
    headers |= {name: filled(value, request) for name, value in location.proxy_headers}
    try:
        async with request.app[_CLIENT].request(
            request.method, target, headers=headers, data=await request.read(), allow_redirects=False
        ) as found:
            kept = {name: value for name, value in found.headers.items() if name.lower() not in _HOP}
            return web.Response(status=found.status, body=await found.read(), headers=kept)
    except (aiohttp.ClientError, OSError) as error:
        print(f"[error] connect() failed while connecting to upstream: {error}", file=sys.stderr, flush=True)
        return _error(502, "Bad Gateway")


def _variables(request: web.Request, status: int = 0, size: int = 0) -> Mapping[str, str]:
    version = f"HTTP/{request.version.major}.{request.version.minor}"
    known = {
        "remote_addr": client_address(request),
        "remote_user": "-",
        "time_local": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime()),
        "request": f"{request.method} {request.path_qs} {version}",
        "request_uri": request.path_qs,
        "request_method": request.method,
        "uri": request.path,
        "args": request.query_string,
        "scheme": "https" if request.secure else "http",
        "host": request.host.partition(":")[0],
        "http_host": request.host,
        "status": str(status),
        "body_bytes_sent": str(size),
    }
    return _Named(known, request)


class _Named(dict[str, str]):
    """Variables by name; ``http_*`` are the request's headers."""

    def __init__(self, known: Mapping[str, str], request: web.Request) -> None:
        super().__init__(known)
        self._request = request

    def __missing__(self, name: str) -> str:
        header = name.removeprefix("http_").replace("_", "-")
        return self._request.headers.get(header, "-") if name.startswith("http_") else "-"


def filled(text: str, request: web.Request, status: int = 0, size: int = 0) -> str:
    """*text* with nginx's variables filled in."""
    return Template(text).safe_substitute(_variables(request, status, size))


@web.middleware
async def _logged(request: web.Request, handler: Any) -> web.StreamResponse:
    response: web.StreamResponse = await handler(request)
    response.headers["Server"] = VERSION
    if line := _server_of(request).log_format:
        say(filled(line, request, response.status, response.content_length or 0))
    return response
