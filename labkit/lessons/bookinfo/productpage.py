"""The page of a book: ``GET /productpage``, and the same as JSON under ``/api/v1/products``.

Who signs in (``POST /login``, ``username=jason``) is named to all services in the header ``end-user``, for
as long as his cookie says so. Reviews are asked for twice, for 3 s each.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from typing import Any

from aiohttp import web

from labkit.lessons.bookinfo import calls, page
from labkit.lessons.bookinfo.service import answer, run
from labkit.lessons.http import chosen, say

SECONDS = 3.0
TRIES = {"reviews": 2}
COOKIE = "session"
_KEY = b"of no secret: who signs in needs no password"
_HANDED_ON = tuple(name for name in calls.HANDED_ON if name != "end-user")
PRODUCTS = [
    {
        "id": 0,
        "title": "The Comedy of Errors",
        "descriptionHtml": '<a href="https://en.wikipedia.org/wiki/The_Comedy_of_Errors">About the play</a>: '
        "<b>William Shakespeare</b> wrote it early; it is his shortest, and two pairs of twins are "
        "taken for each other in it from the first act to the last.",
    }
]


async def _page(request: web.Request) -> web.Response:
    details = await _ask(request, "details", "details", "0")
    await _flood(request)
    reviews = await _ask(request, "reviews", "reviews", "0")
    text = page.product(PRODUCTS[0], details, reviews, _user(request))
    return web.Response(text=text, content_type="text/html")


async def _flood(request: web.Request) -> None:
    """Ask reviews ``FLOOD_FACTOR`` times more, as somebody's faulty release may."""
    for _ in range(int(os.environ.get("FLOOD_FACTOR") or 0)):
        await _ask(request, "reviews", "reviews", "0")


async def _ask(request: web.Request, service: str, what: str, number: str) -> tuple[int, Any]:
    """The status and the answer of *service*, or the sentence that the page has for its absence."""
    status = 0
    for _ in range(TRIES.get(service, 1)):
        url = f"{calls.place(service)}/{what}/{number}"
        status, found = await calls.get(request.app, url, _headers(request), SECONDS)
        if status == 200:
            return status, found
    thing = {"details": "product details", "reviews": "product reviews", "ratings": "product ratings"}[what]
    return status or 500, {"error": f"Sorry, {thing} are currently unavailable for this book."}


def _headers(request: web.Request) -> dict[str, str]:
    user = _user(request)
    return chosen(request.headers, _HANDED_ON) | ({"end-user": user} if user else {})


async def _products(_: web.Request) -> web.Response:
    return answer(PRODUCTS)


async def _product(request: web.Request) -> web.Response:
    what = {"": "details", "reviews": "reviews", "ratings": "ratings"}.get(request.match_info.get("what", ""))
    if what is None:
        raise web.HTTPNotFound
    status, found = await _ask(request, what, what, request.match_info["number"])
    return answer(found, status)


async def _index(_: web.Request) -> web.Response:
    return web.Response(text=page.index(), content_type="text/html")


async def _health(_: web.Request) -> web.Response:
    return web.Response(text="Product page is healthy", content_type="text/html")


async def _login(request: web.Request) -> web.Response:
    user = str((await request.post()).get("username") or "")
    response = _back(request)
    response.set_cookie(COOKIE, _signed(user), httponly=True, path="/")
    return response


async def _logout(request: web.Request) -> web.Response:
    response = _back(request)
    response.del_cookie(COOKIE, path="/")
    return response


def _back(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": request.headers.get("Referer", "/productpage")})


def _signed(user: str) -> str:
    name = base64.urlsafe_b64encode(json.dumps({"user": user}).encode()).decode().rstrip("=")
    return f"{name}.{hmac.new(_KEY, name.encode(), hashlib.sha256).hexdigest()}"


def _user(request: web.Request) -> str:
    """Who has signed in."""
    name, _, mark = request.cookies.get(COOKIE, "").partition(".")
    if not hmac.compare_digest(hmac.new(_KEY, name.encode(), hashlib.sha256).hexdigest(), mark):
        return ""
    found: dict[str, str] = json.loads(base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)))
    return found["user"]


def main(words: list[str]) -> int:
    """Serve on the port of the first word."""
    app = web.Application()
    app.cleanup_ctx.append(calls.session)
    app.add_routes(
        [
            *(web.get("/", _index), web.get("/index.html", _index), web.get("/health", _health)),
            *(web.get("/productpage", _page), web.post("/login", _login), web.get("/logout", _logout)),
            web.get("/api/v1/products", _products),
            web.get("/api/v1/products/{number}", _product),
            web.get("/api/v1/products/{number}/{what}", _product),
        ]
    )
    return run("productpage", words, app, lambda port: say(f"INFO:root:start at port {port}"))
