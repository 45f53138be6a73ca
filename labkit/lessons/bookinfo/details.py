"""Details of a book: ``GET /details/NUMBER``; from outside where ``ENABLE_EXTERNAL_BOOK_SERVICE`` is true."""

from __future__ import annotations

import os
from typing import Any

from aiohttp import web

from labkit.lessons.bookinfo import calls
from labkit.lessons.bookinfo.service import NO_NUMBER, answer, health, run
from labkit.lessons.http import chosen, say

ISBN = "0486424618"
SECONDS = 5.0
_BOOK = {
    "author": "William Shakespeare",
    "year": 1595,
    "type": "paperback",
    "pages": 200,
    "publisher": "PublisherA",
    "language": "English",
    "ISBN-10": "1234567890",
    "ISBN-13": "123-1234567890",
}


async def _details(request: web.Request) -> web.Response:
    number = request.match_info["number"]
    if not number.isdecimal():
        return answer({"error": "please provide numeric product id"}, NO_NUMBER)
    if os.environ.get("ENABLE_EXTERNAL_BOOK_SERVICE") != "true":
        return answer({"id": int(number), **_BOOK})
    found = await _external(request)
    return answer({"id": int(number), **found}) if found else answer({"error": "no answer"}, NO_NUMBER)


async def _external(request: web.Request) -> dict[str, Any] | None:
    """What the books' service outside says; nothing where it says nothing of use."""
    scheme = "http" if os.environ.get("DO_NOT_ENCRYPT") == "true" else "https"
    url = f"{scheme}://www.googleapis.com/books/v1/volumes?q=isbn:{ISBN}"
    status, found = await calls.get(request.app, url, chosen(request.headers, calls.HANDED_ON), SECONDS)
    try:
        return _told(found["items"][0]["volumeInfo"]) if status == 200 else None
    except (KeyError, IndexError, TypeError):
        return None


def _told(book: dict[str, Any]) -> dict[str, Any]:
    numbers = {each["type"]: each["identifier"] for each in book["industryIdentifiers"]}
    return {
        "author": book["authors"][0],
        "year": book["publishedDate"],
        "type": "paperback" if book.get("printType") == "BOOK" else "unknown",
        "pages": book["pageCount"],
        "publisher": book["publisher"],
        "language": "English" if book.get("language") == "en" else "unknown",
        "ISBN-10": numbers["ISBN_10"],
        "ISBN-13": numbers["ISBN_13"],
    }


def main(words: list[str]) -> int:
    """Serve on the port of the first word."""
    app = web.Application()
    app.cleanup_ctx.append(calls.session)
    app.add_routes([web.get("/details/{number}", _details), health("Details is healthy")])
    return run("details", words, app, lambda port: say(f"INFO  WEBrick::HTTPServer#start: port={port}"))
