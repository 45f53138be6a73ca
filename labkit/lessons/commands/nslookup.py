"""``nslookup NAME``: the addresses that programs of this pod find by that name."""

from __future__ import annotations

import socket
import sys


def main(words: list[str]) -> int:
    """0 where there are any."""
    names = [word for word in words if not word.startswith("-")]
    if not names:
        print("usage: nslookup NAME", file=sys.stderr)
        return 1
    try:
        found = socket.getaddrinfo(names[0], None, socket.AF_INET, socket.SOCK_STREAM)
    except socket.gaierror:
        print(f"** server can't find {names[0]}: NXDOMAIN\n", file=sys.stderr)
        return 1
    for address in dict.fromkeys(str(each[4][0]) for each in found):
        print(f"Name:\t{names[0]}\nAddress: {address}")
    return 0
