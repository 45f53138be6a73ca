"""``wget URL``, with busybox's options: ``-q``, ``-S``, ``-O FILE``, ``-T SECONDS``, ``--header``."""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

from labkit.lessons.commands import curl
from labkit.lessons.commands.words import UnknownOptionError, read

FLAGS = {
    "q": "q",
    "quiet": "q",
    "S": "S",
    "server-response": "S",
    "spider": "spider",
    "no-check-certificate": "k",
}
VALUED = {
    **{"O": "O", "output-document": "O", "T": "T", "timeout": "T", "t": "t", "tries": "t", "U": "U"},
    **{"header": "header", "post-data": "post-data"},
}


def main(words: list[str]) -> int:
    """0 where the answer was one of success, else 1, as busybox's."""
    try:
        asked = read(words, FLAGS, VALUED)
    except UnknownOptionError as error:
        print(f"wget: unrecognized option: {error}", file=sys.stderr)
        return 1
    if not asked.rest:
        print("usage: wget [-q] [-S] [-O FILE] [-T SECONDS] URL", file=sys.stderr)
        return 1
    url = asked.rest[0]
    name = asked.last("O", urlsplit(url).path.rpartition("/")[2] or "index.html")
    options = ["-sSfL", *("-o", name), *("-A", asked.last("U", "Wget"))]
    for spelled, value in (("-m", asked.last("T")), ("-d", asked.last("post-data"))):
        options += [spelled, value] if value else []
    options += [word for header in asked.all("header") for word in ("-H", header)]
    options += ["-k"] if "k" in asked.flags else []
    options += ["-o", "/dev/null"] if "spider" in asked.flags else []
    options += ["-D", "/dev/stderr"] if "S" in asked.flags else []
    return 1 if curl.main([*options, url]) else 0
