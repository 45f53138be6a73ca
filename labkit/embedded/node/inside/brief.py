"""A connection that the sidecar ends at once, as one to a host that the mesh does not know.

In a container the kernel has long told the program that it is connected when Envoy ends it, and the program
finds out with its first words: ``curl`` fails in the TLS handshake. Here Envoy is told before the program is,
so the end would be there first, and the program would take it for a refusal. It is given a connection that
ends a moment later instead.
"""

from __future__ import annotations

import select
import socket
import threading
import time

from labkit.embedded.node.shim import labkit_sidecar

_HEARD_WITHIN = 0.1
"""Seconds in which a sidecar reads where a connection is to go, if it is not very busy."""
_DECIDED_WITHIN = 1
"""Milliseconds: it does that, and ends what it doesn't want, in one go."""
_MOMENT = 300
"""Milliseconds that a program has for its first words."""


def lasting(line: socket.socket) -> socket.socket:
    """*line*, or in its place a connection that lasts until the program has used it."""
    deadline = time.monotonic() + _HEARD_WITHIN
    while labkit_sidecar.has_unread(line) and time.monotonic() < deadline:
        time.sleep(0.0001)  # nothing tells us when it is read
    end = select.poll()
    end.register(line, select.POLLHUP)
    if not end.poll(_DECIDED_WITHIN):
        return line
    line.close()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    threading.Thread(target=_end_soon, args=(ours,), daemon=True).start()
    return theirs


def _end_soon(ours: socket.socket) -> None:
    """With what the program has sent unread: to the program that is a reset."""
    with ours:
        words = select.poll()
        words.register(ours, select.POLLIN)
        words.poll(_MOMENT)
