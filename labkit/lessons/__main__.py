"""``python -m labkit.lessons NAME ARGUMENT…``: the one entry, the program chosen by its name."""

from __future__ import annotations

import sys
from importlib import import_module

PROGRAMS = {
    "curl": "commands.curl",
    "nc": "commands.nc",
    "nslookup": "commands.nslookup",
    "wget": "commands.wget",
    "details": "bookinfo.details",
    "productpage": "bookinfo.productpage",
    "ratings": "bookinfo.ratings",
    "reviews": "bookinfo.reviews",
    "mongodb": "bookinfo.mongodb",
    "mysql": "bookinfo.mysql",
    "echoserver": "echoserver",
    "ext-authz": "ext_authz",
    "fortio": "fortio",
    "go-httpbin": "httpbin.of_go",
    "gunicorn": "httpbin.of_python",
    "helloworld": "helloworld",
    "httpd": "httpd",
    "nginx": "nginx",
    "pause": "pause",
    "squid": "squid",
    "outside": "outside",
    "tcp-echo": "tcp_echo",
}
"""Name → the module whose ``main`` takes the arguments and returns the exit status."""


def main(words: list[str]) -> int:
    """Run the program that the first word names; its exit status."""
    if not words or words[0] not in PROGRAMS:
        print(f"Name one program to run: {', '.join(PROGRAMS)}.", file=sys.stderr)
        return 2
    program = import_module(f"labkit.lessons.{PROGRAMS[words[0]]}")
    return int(program.main(words[1:]) or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
