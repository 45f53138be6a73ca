"""Ports that programs behind a sidecar have opened: the node hears of them, the mesh lets callers in.

A real sidecar is sent every port by iptables, whoever listens there; here it has to know which. No object of
the API says it, as none does in a real cluster.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

PortsByPod = Mapping[str, frozenset[int]]
"""By the pod's address."""


class OpenPorts:
    """All of one cluster's."""

    def __init__(self) -> None:
        self._programs: Counter[tuple[str, int]] = Counter()
        self._bells: list[Callable[[], None]] = []

    def by_pod(self) -> PortsByPod:
        """Those that are open now."""
        found: dict[str, set[int]] = {}
        for address, port in self._programs:
            found.setdefault(address, set()).add(port)
        return {address: frozenset(ports) for address, ports in found.items()}

    @contextlib.contextmanager
    def opened(self, address: str, port: int) -> Iterator[None]:
        """While the context lasts, a program of the pod with *address* listens on *port*."""
        self._count(address, port, 1)
        try:
            yield
        finally:
            self._count(address, port, -1)

    @contextlib.contextmanager
    def followed(self, bell: Callable[[], None]) -> Iterator[None]:
        """Call *bell* after every change while the context lasts."""
        self._bells.append(bell)
        try:
            yield
        finally:
            self._bells.remove(bell)

    def _count(self, address: str, port: int, more: int) -> None:
        before = self._programs[address, port]
        self._programs[address, port] += more
        if not self._programs[address, port]:
            del self._programs[address, port]
        if not before or before + more == 0:
            for bell in self._bells:
                bell()
