"""Reviews of a book: ``GET /reviews/NUMBER``, with stars of a colour where ``ENABLE_RATINGS`` is true.

Version 1 shows none, 2 black ones, 3 red ones. The black ones are waited for longer (10 s) than the page
waits for reviews: what the lesson on faults finds.
"""

from __future__ import annotations

import os
from typing import Any

from aiohttp import web

from labkit.lessons.bookinfo import calls
from labkit.lessons.bookinfo.service import answer, health, run
from labkit.lessons.http import chosen, say

PATIENCE = {"black": 10.0}
LESS_PATIENCE = 2.5
REVIEWERS = {
    "Reviewer1": "Two pairs of twins, one town, and not a dull scene: slapstick at its most cheerful.",
    "Reviewer2": "Great fun from the first page on, though his other plays have more to think about.",
}


async def _reviews(request: web.Request) -> web.Response:
    number = request.match_info["number"]
    if not number.isdecimal():
        raise web.HTTPNotFound
    rated = os.environ.get("ENABLE_RATINGS", "").lower() == "true"
    stars = await _stars(request, number) if rated else {}
    reviews = [
        {"reviewer": who, "text": text} | ({"rating": _rating(stars.get(who))} if rated else {})
        for who, text in REVIEWERS.items()
    ]
    pod, cluster = (os.environ.get(name, "null") for name in ("HOSTNAME", "CLUSTER_NAME"))
    return answer({"id": number, "podname": pod, "clustername": cluster, "reviews": reviews})


async def _stars(request: web.Request, number: str) -> dict[str, int]:
    """What ratings says; nothing where it can't be had."""
    url, patience = f"{calls.place('ratings')}/ratings", PATIENCE.get(_color(), LESS_PATIENCE)
    headers = chosen(request.headers, calls.HANDED_ON)
    status, found = await calls.get(request.app, f"{url}/{number}", headers, patience)
    if status != 200 or not isinstance(found, dict):
        say(f"Error: unable to contact {url} got status of {status}")
        return {}
    ratings: dict[str, int] = found.get("ratings") or {}
    return ratings


def _rating(stars: int | None) -> dict[str, Any]:
    if stars is None:
        return {"error": "Ratings service is currently unavailable"}
    return {"stars": stars, "color": _color()}


def _color() -> str:
    return os.environ.get("STAR_COLOR", "black")


def main(words: list[str]) -> int:
    """Serve on the port of the first word."""
    app = web.Application()
    app.cleanup_ctx.append(calls.session)
    app.add_routes([web.get("/reviews/{number}", _reviews), health("Reviews is healthy")])
    return run("reviews", words, app, lambda port: say(f"The reviews server is ready on port {port}."))
