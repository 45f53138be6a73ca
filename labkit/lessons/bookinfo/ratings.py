"""Ratings of a book: ``GET /ratings/NUMBER``, kept in memory, or asked of a database (version 2).

``SERVICE_VERSION`` makes it the one that fails (``v-faulty``), is slow (``v-delayed``) or is away for every
other minute (``v-unavailable``); ``v2`` asks ``MONGO_DB_URL``, or MySQL where ``DB_TYPE`` says so.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from typing import Any

from aiohttp import web

from labkit.lessons.bookinfo import databases
from labkit.lessons.bookinfo.service import NO_NUMBER, answer, health, run
from labkit.lessons.http import say

SLOW = 7.0
AWAY = 60.0
RATINGS = {"Reviewer1": 5, "Reviewer2": 4}
_OFTEN = 0.5


class Ratings:
    """The service, with what was put into it."""

    def __init__(self) -> None:
        self.version = os.environ.get("SERVICE_VERSION", "")
        self._put: dict[int, Any] = {}
        self._began = time.monotonic()

    async def get(self, request: web.Request) -> web.Response:
        """One book's ratings, or what its version makes of it."""
        number = _number(request)
        if number is None:
            return answer({"error": "please provide numeric product ID"}, NO_NUMBER)
        if self.version == "v2":
            return await _of_database(number)
        if self._fails():
            return answer({"error": "Service unavailable"}, 503)
        if self.version == "v-delayed" and random.random() <= _OFTEN:
            await asyncio.sleep(SLOW)
        return answer(self._put.get(number) or {"id": number, "ratings": RATINGS})

    async def post(self, request: web.Request) -> web.Response:
        """Keep other ratings of a book."""
        number = _number(request)
        if number is None:
            return answer({"error": "please provide numeric product ID"}, NO_NUMBER)
        try:
            ratings = json.loads(await request.text())
        except ValueError:
            return answer({"error": "please provide valid ratings JSON"}, NO_NUMBER)
        if self.version == "v2":
            return answer({"error": "Post not implemented for database backed ratings"}, 501)
        self._put[number] = {"id": number, "ratings": ratings}
        return answer(self._put[number])

    def _fails(self) -> bool:
        if self.version == "v-unavailable":
            return int((time.monotonic() - self._began) / AWAY) % 2 == 1
        return self.version == "v-faulty" and random.random() <= _OFTEN


def _number(request: web.Request) -> int | None:
    found = request.match_info["number"]
    return int(found) if found.isdecimal() else None


async def _of_database(number: int) -> web.Response:
    try:
        first, second = await databases.ratings()
    except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
        say(f"Error: {error}")
        return answer({"error": "could not connect to ratings database"}, 500)
    return answer({"id": number, "ratings": {"Reviewer1": first, "Reviewer2": second}})


@web.middleware
async def _logged(request: web.Request, handler: Any) -> web.StreamResponse:
    say(f"{request.method} {request.path_qs}")
    response: web.StreamResponse = await handler(request)
    return response


def main(words: list[str]) -> int:
    """Serve on the port of the first word."""
    ratings = Ratings()
    app = web.Application(middlewares=[_logged])
    app.add_routes(
        [
            web.get("/ratings/{number}", ratings.get),
            web.post("/ratings/{number}", ratings.post),
            health("Ratings is healthy"),
        ]
    )
    return run("ratings", words, app, lambda port: say(f"Server listening on: http://0.0.0.0:{port}"))
