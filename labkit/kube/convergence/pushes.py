"""Which of istiod's pushes a proxy has, as istiod's ``/debug/syncz`` says.

istiod numbers its pushes, and the nonce of whatever it sends begins with the number of the push that it is
part of (``TIME/NUMBER``, then a UUID). What one push says the later ones say as well, unless it was changed.
So where one proxy is seen to use a change, every other that has acknowledged the push which that one was
sent last, or a later one, has it, too, and its routes needn't be read.

The debug port is asked through a forwarded port: to istiod that is its own localhost, which needs no token.

Source: ``pilot/pkg/xds``: debug.go (Syncz), discovery.go (NextVersion, nonce), xdsgen.go and delta.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any, TypeAlias

from labkit.errors import LabkitError
from labkit.kube.api.api import Api
from labkit.kube.api.conditions import is_serving
from labkit.kube.api.resources import PODS
from labkit.kube.convergence.ask_istiod import DEBUG_PORT, ISTIOD
from labkit.kube.proxies.admin_connections import AdminConnections, AdminPort
from labkit.kube.proxies.proxies import Proxy

_NONCE = re.compile(r"(?P<time>.+)/(?P<number>\d+)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Push: TypeAlias = tuple[str, int]
"""When a push began, to the second, and its number, which begins anew with its istiod."""


class Pushes:
    """Asks each istiod of the cluster, over a connection that is kept."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.can_tell = True
        """Whether istiod has answered so far, with what can be understood."""

    def late(self, leader: Proxy, others: Collection[Proxy]) -> set[Proxy]:
        """Those of *others* of which istiod does not say that they have all that *leader* was sent of routes.

        All of them where it can't be asked, or has other names for its pushes.
        """
        late = set(others)
        try:
            for istiod in self._istiods():
                late -= self._have(istiod, leader, late)
        except LabkitError:
            self.can_tell = False
        return late

    def _istiods(self) -> list[str]:
        namespace, selector = ISTIOD
        pods = self._api.items(PODS.path(namespace), labelSelector=selector)
        return [pod["metadata"]["name"] for pod in pods if is_serving(pod)]

    def _have(self, istiod: str, leader: Proxy, others: Collection[Proxy]) -> set[Proxy]:
        """Those that *istiod* serves as it does *leader*, and that have what it sent there."""
        places = sorted({proxy.namespace for proxy in (leader, *others)})
        entries = [entry for namespace in places for entry in self._ask(istiod, namespace)]
        sent = max(_pushes(entries, "route_sent", leader), default=None)
        if sent is None:
            return set()
        return {
            each for each in others if any(_is_in(sent, p) for p in _pushes(entries, "route_acked", each))
        }

    def _ask(self, istiod: str, namespace: str) -> list[dict[str, Any]]:
        kept = self._api.keep("proxies' admin", lambda: AdminConnections(self._api))
        place = AdminPort(ISTIOD[0], istiod, DEBUG_PORT)
        status, body = kept.get(place, f"debug/syncz?namespace={namespace}")
        try:
            said = json.loads(body) if status == 200 else None
        except ValueError:
            said = None
        self.can_tell = self.can_tell and isinstance(said, list)
        return said if isinstance(said, list) else []


def _pushes(entries: list[dict[str, Any]], field: str, proxy: Proxy) -> Iterator[Push]:
    """Those that *entries* name in *field*, of every connection that *proxy* has."""
    of_it = [entry for entry in entries if entry.get("proxy") == f"{proxy.pod}.{proxy.namespace}"]
    yield from (push for entry in of_it if (push := push_of(str(entry.get(field) or ""))))


def _is_in(one: Push, other: Push) -> bool:
    """Whether what *one* said is in *other* as well: it is the same or a later one, of the same istiod."""
    return one[0] <= other[0] and one[1] <= other[1]


def push_of(nonce: str) -> Push | None:
    """The push that *nonce* belongs to; None where it has another form, or is none."""
    found = _NONCE.fullmatch(nonce)
    return (found["time"], int(found["number"])) if found else None
