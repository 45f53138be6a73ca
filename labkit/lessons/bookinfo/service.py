"""What the bookshop's services share as servers: the port as their argument, JSON, a page on their health."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from aiohttp import web

from labkit.lessons.http import Listener, serve

NO_NUMBER = 400


def answer(value: Any, status: int = 200) -> web.Response:
    """*value* as JSON, without blanks."""
    text = json.dumps(value, separators=(",", ":"))
    return web.Response(text=text, status=status, content_type="application/json")


def health(sentence: str) -> web.RouteDef:
    """``GET /health``."""

    async def handle(_: web.Request) -> web.Response:
        return answer({"status": sentence})

    return web.get("/health", handle)


def run(name: str, words: list[str], app: web.Application, ready: Callable[[int], object]) -> int:
    """Serve *app* on the port that *words* name; *ready* is told it."""
    if len(words) != 1 or not words[0].isdecimal():
        print(f"usage: {name} port", file=sys.stderr)
        return 1
    port = int(words[0])
    return serve(app, Listener(port), ready=lambda: ready(port))
