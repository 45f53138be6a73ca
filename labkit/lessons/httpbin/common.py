"""What both say alike: pages that need no more than a request's parts."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import Iterable
from typing import Any

from aiohttp import web

LONGEST_DELAY = 10.0
LARGEST = 100 * 1024  # bytes that /bytes gives at most
ROBOTS = "User-agent: *\nDisallow: /deny\n"


def status_of(words: str) -> int:
    """A status of ``418`` or ``200:0.9,500:0.1``; ValueError for what is none."""
    choices = [_weighted(each) for each in words.split(",")]
    codes, weights = zip(*choices, strict=True)
    return int(random.choices(codes, weights)[0])


def _weighted(word: str) -> tuple[int, float]:
    code, _, weight = word.strip().partition(":")
    if not 100 <= int(code) <= 999:
        raise ValueError("invalid status code")
    return int(code), float(weight or 1)


async def delayed(seconds: float) -> None:
    """Wait as long as was asked, and never longer than both do."""
    await asyncio.sleep(min(max(seconds, 0.0), LONGEST_DELAY))


def scheme_of(request: web.Request) -> str:
    """What the client typed, as proxies tell it."""
    return request.headers.get("X-Forwarded-Proto", "http")


def url_of(request: web.Request) -> str:
    """The URL as the client typed it."""
    return f"{scheme_of(request)}://{request.host}{request.path_qs}"


def bytes_of(count: int) -> bytes:
    """So many bytes, by chance."""
    return random.randbytes(max(0, min(count, LARGEST)))


def credentials(request: web.Request) -> tuple[str, str] | None:
    """Name and password of ``Authorization: Basic``."""
    kind, _, words = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        name, _, password = base64.b64decode(words, validate=True).decode().partition(":")
    except ValueError:
        return None
    return name, password


def token(request: web.Request) -> str:
    """The token of ``Authorization: Bearer``."""
    kind, _, words = request.headers.get("Authorization", "").partition(" ")
    return words if kind == "Bearer" else ""


def as_json(body: bytes) -> Any:
    """*body* as JSON, or nothing."""
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None


def page(title: str) -> str:
    """A page in HTML that says *title*."""
    head = f"<head><title>{title}</title></head>"
    return f"<!DOCTYPE html>\n<html>{head}<body><h1>{title}</h1></body></html>\n"


def routes(methods: Iterable[str], paths: Iterable[str], handler: Any) -> list[web.RouteDef]:
    """*handler* at each of *paths*."""
    return [web.route(method, path, handler) for method in methods for path in paths]
