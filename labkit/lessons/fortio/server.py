"""``fortio server``: an echo on port 8080, changed by ``?status=503``, ``?delay=1s`` and ``?size=100``."""

from __future__ import annotations

import asyncio

from aiohttp import web

from labkit.lessons.fortio.options import Options
from labkit.lessons.http import Listener, say, serve
from labkit.lessons.httpbin.gojson import duration


async def _echo(request: web.Request) -> web.Response:
    try:
        await asyncio.sleep(min(duration(request.query.get("delay", "0")), 10.0))
        status, size = int(request.query.get("status", "200")), int(request.query.get("size", "-1"))
    except ValueError:
        return web.Response(status=400)
    body = await request.read()
    return web.Response(status=status, body=body if size < 0 else b"X" * min(size, 1 << 20))


async def _debug(request: web.Request) -> web.Response:
    lines = [f"{name}: {value}" for name, value in request.headers.items()]
    return web.Response(
        text="\n".join([f"{request.method} {request.path_qs} HTTP/1.1", "headers:", *lines, ""])
    )


def server(options: Options) -> int:
    """Serve until stopped."""
    app = web.Application()
    app.router.add_route("*", "/debug", _debug)
    app.router.add_route("*", "/{path:.*}", _echo)
    listening = Listener(options.http_port)
    return serve(app, listening, ready=lambda: say(f"Fortio server listening on [::]:{listening.port}"))
