"""What a cluster takes of the machine's network: an address block, the API's port, the gateway's ports.

Clusters side by side (two homes, two users) must not meet. A block is taken by listening on an
address in it that nothing else uses: the kernel gives it to one process and takes it back when
that process dies.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Collection, Iterable

from labkit.embedded.addresses import FIRST_BLOCK, LAST_BLOCK, NODE_ADDRESS
from labkit.errors import ClusterError

CLAIM_PORT = 15000
HTTP_PORTS = (80, 8080, 18080, 28080, 38080)
HTTPS_PORTS = (443, 8443, 18443, 28443, 38443)
"""The load balancer's ports, best first: an ordinary user often may not bind those below 1024."""


def _bind(address: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def claim_block(remembered: int | None, others: Collection[int | None] = ()) -> tuple[int, socket.socket]:
    """A free address block, the *remembered* one if possible, and the socket that keeps it.

    *others* are remembered by clusters that may come back: they are taken last. Behind the first block each
    process begins elsewhere, so that nobody is likely to take what another has just let go of.
    """
    first, *rest = range(FIRST_BLOCK, LAST_BLOCK + 1, 2)
    turn = os.getpid() % len(rest)
    blocks = [first, *rest[turn:], *rest[:turn]]
    for block in sorted(blocks, key=lambda block: (block != remembered, block in others)):
        with contextlib.suppress(OSError):
            return block, _bind(f"127.{block}.254.254", CLAIM_PORT)
    raise ClusterError(_no_block())


def moved(remembered: int | None, block: int) -> str:
    """What changes for people where another cluster has the *remembered* block; nothing where it is kept."""
    if remembered in (None, block):
        return ""
    return (
        f"Another cluster uses the addresses that this one had (127.{remembered}.0.0/16): "
        f"its pods and its gateway have new ones, in 127.{block}.0.0/16."
    )


def _no_block() -> str:
    try:
        _bind("127.42.254.254", 0).close()
    except OSError as error:
        return f"This machine has no loopback addresses beyond 127.0.0.1 ({error.strerror}); `labkit doctor`."
    return "All 106 address blocks of 127.0.0.0/8 are taken by running clusters; stop one with `labkit down`."


def listen(remembered: int | None) -> socket.socket:
    """A listening socket for the API on the *remembered* port, or on another where that is taken."""
    if remembered:
        with contextlib.suppress(OSError):
            return _bind(NODE_ADDRESS, remembered)
    return _bind(NODE_ADDRESS, 0)


def load_balancer_ports(block: int) -> dict[str, int]:
    """The ports for ``http`` and ``https`` that can be bound on a load-balancer address."""
    address = f"127.{block}.255.254"
    return {"http": _first_free(address, HTTP_PORTS), "https": _first_free(address, HTTPS_PORTS)}


def _first_free(address: str, ports: Iterable[int]) -> int:
    for port in ports:
        with contextlib.suppress(OSError):
            _bind(address, port).close()
            return port
    raise ClusterError(
        f"None of the ports {', '.join(map(str, ports))} is free on {address}; free one of them."
    )
