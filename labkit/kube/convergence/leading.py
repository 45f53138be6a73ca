"""In a mesh of hundreds of Services one proxy's routes are read, and stand for those of others.

Every sidecar has a route for each Service: with 400 of them, and as many hosts outside, nearly a megabyte of
JSON each, which Envoy takes longer to write than to take over.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from labkit.kube.convergence.pushes import Pushes
from labkit.kube.proxies.proxies import Proxy

_MUCH = 50_000
"""Bytes of routes from which on a proxy is not read where another one can be."""
_PATIENCE = 0.5
"""Seconds after which those are read all the same of which istiod does not say that they have it: another
istiod serves them, or they have refused it."""


class Led:
    """Some proxies with the same rules in many routes: the first is read, istiod is asked about the others.

    sizes: of each proxy, the bytes of the routes that are to change.
    """

    def __init__(self, sizes: Mapping[Proxy, int], pushes: Pushes) -> None:
        much = [proxy for proxy, size in sizes.items() if size > _MUCH] if pushes.can_tell else []
        self._leader = much[0] if much else None
        self.others = set(much[1:])
        """Those that are not read."""
        self._pushes = pushes
        self._asked: float | None = None

    def tells(self, proxy: Proxy) -> bool:
        """Whether *proxy*, should it not follow a rule and then do so, shows that all of them do.

        Where none leads, each does; else one that is read for itself alone shows nothing of the others.
        """
        return proxy == self._leader if self.others else True

    def have_what_it_has(self, there: Collection[Proxy]) -> bool:
        """Whether those of the others that are still *there* have what the leader was seen to have."""
        self.others &= set(there)
        if self._leader is None or not self.others:
            return True
        self._asked = self._asked or time.monotonic()
        late = self._pushes.late(self._leader, self.others)
        if late and (not self._pushes.can_tell or time.monotonic() - self._asked > _PATIENCE):
            self.others -= late
        return not late
