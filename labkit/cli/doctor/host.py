"""Facts about this host's network that can be seen without root."""

from __future__ import annotations

import socket

_SO_ORIGINAL_DST = 80


def tracks_connections() -> bool:
    """Whether connections of this machine to itself are tracked: some NAT or firewall rule has it so.

    The kernel then knows an accepted connection's original destination; it has none to tell where nothing
    is tracked. It is what Envoy asks, too.
    """
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=2),
        server.accept()[0] as accepted,
    ):
        try:
            accepted.getsockopt(socket.SOL_IP, _SO_ORIGINAL_DST, 16)
        except OSError:
            return False
        return True


def has_address_beside_loopback() -> bool:
    """Whether any interface but ``lo`` leads anywhere: a datagram socket finds a way, and sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1: nobody's
        except OSError:
            return False
        return True
