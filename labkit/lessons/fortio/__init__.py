"""``fortio``: load by ``fortio load``, one request by ``fortio curl``, an echo by ``fortio server``.

The lines are fortio's: those of each answer that was none of success, the histogram, the percentiles, and
``Code 200 : 17 (85.0 %)`` (https://github.com/fortio/fortio).
"""

from __future__ import annotations

import asyncio
import sys

from labkit.lessons.fortio.options import Options, OptionsError, parsed

USAGE = "usage: fortio load|curl|server [flags] [url]"


def main(words: list[str]) -> int:
    """The exit status: 0 where it did what was asked, whatever was answered."""
    if not words or words[0] in ("-h", "-help", "--help", "help"):
        print(USAGE)
        return 0
    if words[0] == "version":
        print("1.69.5")
        return 0
    try:
        return _run(words[0], parsed(words[1:]))
    except OptionsError as error:
        print(f"{error}\n{USAGE}", file=sys.stderr)
        return 1


def _run(command: str, options: Options) -> int:
    if command in ("load", "curl") and not options.url:
        raise OptionsError(f"fortio {command} needs a url")
    if command == "load" and not options.curl:
        from labkit.lessons.fortio.load import load

        return asyncio.run(load(options))
    if command in ("load", "curl"):
        from labkit.lessons.fortio.client import curl

        return asyncio.run(curl(options))
    if command == "server":
        from labkit.lessons.fortio.server import server

        return server(options)
    raise OptionsError(f"fortio {command} is not known here")
