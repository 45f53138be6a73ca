"""Pods' ports below the lowest one that this account may open, as the node and the mesh reach them."""

from __future__ import annotations

from labkit.embedded.addresses import is_pods, lowest_port
from labkit.embedded.low_ports.labkit_ports import meant, moved

__all__ = ["meant", "moved", "port_at"]


def port_at(host: str, port: int, lowest: int | None = None) -> int:
    """Where *port* of *host* really is: another one where that is a pod, and this account can't open it.

    lowest: the lowest port that may be opened; that of this process where it is not given.
    """
    found = moved(port, lowest_port() if lowest is None else lowest)
    return found if found == port or is_pods(host) else port
