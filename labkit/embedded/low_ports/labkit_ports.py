"""Where a pod's port below the lowest one that this account may open really is: at 61000 and more.

A container may listen on 80 whoever runs it. A process of an ordinary account may not, unless the host allows
it (``net.ipv4.ip_unprivileged_port_start``); so what a program opens there is opened at 61080 of the same
address, and who means 80 of a pod is led to it. The new numbers are above what Linux chooses for connections
by itself (32768 to 60999).

This is the rule, and all of it. It imports nothing of labkit, for it lives in the pods' programs as well.
"""

from __future__ import annotations

MOVED_BY = 61000
_PORTS = 65536


def moved(port: int, lowest: int) -> int:
    """Where a pod's *port* really is, for an account that may open none below *lowest*."""
    return port + MOVED_BY if 0 < port < min(lowest, _PORTS - MOVED_BY) else port


def meant(port: int, lowest: int) -> int:
    """The port that is said where *port* is really open."""
    before = port - MOVED_BY
    return before if moved(before, lowest) == port else port
