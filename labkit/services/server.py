"""What the services share as servers: a port, a line when they start and stop, ``GET /health``."""

from __future__ import annotations

import errno
import os
import ssl
import sys
from collections.abc import Awaitable, Callable

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[str]]

STOP_SECONDS = 5.0  # requests under way may finish that long after SIGTERM


def log(line: str) -> None:
    """One line to standard output, at once."""
    print(line, flush=True)


def application(answer: Answer) -> web.Application:
    """Answers ``GET /`` with the text *answer* returns, and ``GET /health`` with ``ok``."""

    async def index(request: web.Request) -> web.Response:
        return web.Response(text=await answer(request))

    async def health(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    app = web.Application()
    app.add_routes([web.get("/", index), web.get("/health", health)])
    return app


def serve(name: str, port: int, app: web.Application, tls: ssl.SSLContext | None = None) -> None:
    """Serve *app* on all addresses until SIGTERM or SIGINT; the variable ``PORT`` overrides *port*."""
    port = int(os.environ.get("PORT", port))
    try:
        _run(name, port, app, tls)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        sys.exit(f"{name} failed to start. Port {port} is already in use.")
    log(f"{name} has stopped")


def _run(name: str, port: int, app: web.Application, tls: ssl.SSLContext | None) -> None:
    web.run_app(
        app,
        host="0.0.0.0",  # every interface, as a server in a container does
        port=port,
        ssl_context=tls,
        print=lambda *_: log(f"{name} is listening on port {port}"),
        access_log=None,
        shutdown_timeout=STOP_SECONDS,
    )


def fixed(text: str) -> Answer:
    """The answer of a service that always says the same."""

    async def answer(_: web.Request) -> str:
        return text

    return answer
