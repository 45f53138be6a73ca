"""``nc HOST PORT``: what is typed goes there, what comes back is printed; ``-z`` only tries the port.

At the end of the input it closes its sending half and waits for the answer, ``-q`` or ``-w`` seconds at most.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
from typing import BinaryIO

from labkit.lessons.commands.words import UnknownOptionError, Words, read

FLAGS = {**{each: each for each in "zvnNl46kCt"}}
VALUED = {**{each: each for each in "wqpsi"}}
USAGE = "usage: nc [-zvnN] [-w seconds] [-q seconds] host port"
CHUNK = 64 * 1024


def main(words: list[str]) -> int:
    """0 where it connected, 1 where not."""
    try:
        asked = read(words, FLAGS, VALUED)
    except UnknownOptionError as error:
        print(f"nc: unrecognized option: {error}\n{USAGE}", file=sys.stderr)
        return 1
    if "l" in asked.flags or len(asked.rest) != 2 or not asked.rest[1].isdecimal():
        print(USAGE, file=sys.stderr)
        return 1
    return _connect(asked, asked.rest[0], int(asked.rest[1]))


def _connect(asked: Words, host: str, port: int) -> int:
    patience = float(asked.last("w")) if asked.last("w") else None
    try:
        line = socket.create_connection((host, port), timeout=patience)
    except socket.gaierror:
        print(f"nc: bad address '{host}'", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"nc: {host} ({host}:{port}): {error.strerror or 'Operation timed out'}", file=sys.stderr)
        return 1
    with line:
        if asked.flags & {"v", "z"}:
            print(f"{host} ({line.getpeername()[0]}:{port}) open", file=sys.stderr)
        if "z" not in asked.flags:
            with contextlib.suppress(OSError):
                _converse(line, float(asked.last("q")) if asked.last("q") else patience)
    return 0


def _converse(line: socket.socket, patience: float | None) -> None:
    """Pass both directions on, to the end of the other side."""
    line.settimeout(None)
    sources: list[socket.socket | BinaryIO] = [line, sys.stdin.buffer]
    while sources:
        ready, _, _ = select.select(sources, [], [], patience if len(sources) == 1 else None)
        if not ready:
            return  # it has been silent for as long as was asked
        if line in ready:
            data = line.recv(CHUNK)
            if not data:
                return
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        if sys.stdin.buffer in ready:
            typed = os.read(0, CHUNK)
            if typed:
                line.sendall(typed)
            else:
                sources.remove(sys.stdin.buffer)
                line.shutdown(socket.SHUT_WR)
