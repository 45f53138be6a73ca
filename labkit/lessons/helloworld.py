"""Istio's helloworld: ``GET /hello`` says which version answers, and which pod."""

from __future__ import annotations

import os
import socket

from aiohttp import web

from labkit.lessons.http import Listener, say, serve

PORT = 5000


async def _hello(_: web.Request) -> web.Response:
    version = os.environ.get("SERVICE_VERSION")
    instance = os.environ.get("HOSTNAME") or socket.gethostname()
    return web.Response(text=f"Hello version: {version}, instance: {instance}\n", content_type="text/html")


async def _health(_: web.Request) -> web.Response:
    return web.Response(text="Helloworld is healthy", content_type="text/html")


def main(_: list[str]) -> int:
    """Serve on port 5000."""
    app = web.Application()
    app.add_routes([web.get("/hello", _hello), web.get("/health", _health)])
    return serve(app, Listener(PORT), ready=lambda: say(f" * Running on http://0.0.0.0:{PORT}"))
