"""Connections that are made for a program, and what it is told of them."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass, field
from typing import TypeAlias

from labkit.embedded.node.inside.tracee import Address

_IP_BIND_ADDRESS_NO_PORT = 24


@dataclass
class Line:
    """A connection made for the program."""

    own: Address | None
    """None: what the kernel says is right."""
    peer: Address
    options: dict[tuple[int, int], bytes] = field(default_factory=dict)
    is_tcp: bool = False


Made: TypeAlias = tuple[socket.socket, Line, int]
"""A connection, what is told of it, and the errno that it began with."""


def some_port() -> int:
    """One as Linux chooses for a connection."""
    return 32768 + int.from_bytes(os.urandom(2), "big") % 28232


def unix(path: str) -> socket.socket:
    """A connection to the Unix socket *path*; refused where nobody has it."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.connect(path)
    except OSError:
        made.close()
        raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED)) from None
    return made


def tcp(to: Address, source: str, port: int, meant: Address, *, blocking: bool) -> Made:
    """A connection to *to*, from *port* of *source* where given, for a program that meant *meant*."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source:
            if not port:
                made.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            made.bind((source, port))
        made.setblocking(blocking)
        error = made.connect_ex(to)
        if error not in (0, errno.EINPROGRESS):
            raise OSError(error, os.strerror(error))
    except BaseException:
        made.close()
        raise
    return made, Line(None, meant, is_tcp=True), error
