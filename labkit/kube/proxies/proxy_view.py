"""What one proxy uses, looked at again and again: each look asks only for what has changed since the last.

Envoy says of each route configuration when it was last changed, and counts the listeners and clusters that
it added, changed, removed or refused. Only a route configuration that has another moment is read, and only
a count of refusals that has grown leads to the reasons. As long as a proxy has received nothing from istiod,
which Envoy counts as well, nothing can have changed, and nothing else is asked. A version says less than a
moment: Envoy notes one only with what has changed, and by delta xDS (istiod's own way since 1.22) a route has
none.

Pages: https://www.envoyproxy.io/docs/envoy/latest/operations/admin
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from typing import Any, TypeAlias
from urllib.parse import quote

from labkit.envoy_reasons import reason_first
from labkit.kube.api.api import Obj
from labkit.kube.mesh.ways import RuleName, Wanted, Way, ways
from labkit.language import gettext

_HEARD = "cluster.xds-grpc.upstream_cx_rx_bytes_total"
_COUNTS = "stats?format=json&filter=" + quote(
    rf"^({re.escape(_HEARD)}"
    r"|cluster_manager\.(cluster_(added|modified|removed)|cds\.update_rejected)"
    r"|listener_manager\.(listener_(added|modified|removed|in_place_updated)|lds\.update_rejected))$"
)
_REJECTED = ".update_rejected"
_ROUTES = "config_dump?resource=dynamic_route_configs"
_MOMENTS = f"{_ROUTES}&mask=route_config.name,version_info,last_updated"
_LISTENERS = "config_dump?resource=dynamic_listeners"
_ENDPOINTS = (
    "config_dump?include_eds&resource=dynamic_endpoint_configs"
    "&mask=endpoint_config.cluster_name,endpoint_config.endpoints"
)
_FEW = 3
"""Route configurations that are read one by one."""

_LOOK = 1_000_000
"""Bytes of routes that one look at all proxies may read: of hundreds of Services each has as many."""

Ask: TypeAlias = Callable[[str], tuple[Any, int]]
"""What an admin page of the proxy says, as JSON, and how many bytes that were; raises AdminRefused."""


class Allowance:
    """What may still be read in one look; the first is always allowed. Safe to use from several threads."""

    def __init__(self, size: int = _LOOK) -> None:
        self._size = self._left = size
        self._lock = threading.Lock()

    def take(self, size: int | None) -> bool:
        """Whether *size* bytes may be read; None stands for a size that is not known, which may be any."""
        wanted = self._size if size is None else size
        with self._lock:
            allowed = wanted <= self._left or self._left == self._size
            self._left -= wanted if allowed else 0
        return allowed


class ProxyView:
    """The proxy that *ask* asks; of its endpoints those of Services in *namespaces* are of interest.

    For one thread at a time: whoever uses it holds its ``lock``.
    """

    def __init__(self, ask: Ask, namespaces: Sequence[str] = ("",)) -> None:
        self._ask, self.lock = ask, threading.Lock()
        self._endpoints_page = _ENDPOINTS + _of_services_in(namespaces)
        self._counts: dict[str, int] = {}
        self._heard: int | None = None
        """Bytes it has received from istiod; None where it does not count them."""
        self._known: tuple[Hashable, bool] | None = None
        """What it had heard when all of it was read, and whether that was with its endpoints."""
        self._moments: dict[str, tuple[str, str]] = {}
        """Of each route configuration that was read: its version and when it was last changed."""
        self._sizes: dict[str, int] = {}
        self.is_read = False
        """Whether all that it uses was read, as of the last look."""
        self._ways: dict[str, list[tuple[RuleName, Way]]] = {}
        self._endpoints = ""
        self._answers: dict[str, tuple[Hashable, list[Obj]]] = {}

    def look(self, allowance: Allowance, *, endpoints: bool = True) -> None:
        """See what is new, as far as *allowance* goes, its *endpoints* among it.

        AdminRefused where the proxy can't be asked.
        """
        self.listen()
        if self._heard is not None and self._known in ((self.heard, True), (self.heard, endpoints)):
            return
        self.is_read, self._known, heard = False, None, self.heard
        self._look_at_routes(allowance)
        if endpoints:
            found = [one["endpoint_config"] for one in _configs(self._says(self._endpoints_page))]
            self._endpoints = json.dumps(found, sort_keys=True)  # the order of metadata is any
        self._known = (heard, endpoints) if self.is_read else None

    def listen(self) -> None:
        """See whether it has heard something, and what it refused, and nothing else."""
        counts = {one["name"]: one["value"] for one in self._says(_COUNTS)["stats"] if "name" in one}
        self._heard, self._counts = counts.pop(_HEARD, None), counts

    @property
    def heard(self) -> Hashable:
        """Another one whenever it has heard something."""
        return (self._heard, *sorted(self._counts.items()))

    def size_of(self, rules: Collection[RuleName]) -> int:
        """Bytes of the route configurations in which routes of all *rules* were when they were last read."""
        of = {name: {rule for rule, _ in ways} for name, ways in self._ways.items()}
        return sum(self._sizes.get(name, 0) for name, found in of.items() if found.issuperset(rules))

    def _look_at_routes(self, allowance: Allowance) -> None:
        now = _moments(self._says(_MOMENTS))
        for gone in self._ways.keys() - now.keys():
            del self._ways[gone], self._moments[gone]
        new = [name for name, moment in now.items() if self._moments.get(name) != moment]
        for names in [[name] for name in new] if len(new) <= _FEW else [new]:
            sizes = [self._sizes.get(name) for name in names]
            if not allowance.take(None if None in sizes else sum(size or 0 for size in sizes)):
                return
            self._read(names)
            self._moments |= {name: now[name] for name in names}
        self.is_read = True

    @property
    def fingerprint(self) -> Hashable:
        """Another one whenever what it uses has changed."""
        moments = sorted((name, moment) for name, (_, moment) in self._moments.items())
        return (tuple(sorted(self._counts.items())), tuple(moments), self._endpoints)

    def faults(self, wanted: Wanted) -> dict[RuleName, str]:
        """The VirtualServices that a route in use does not follow, each with the sentence that says it.

        A listener that was removed keeps its routes until the last of its connections has drained.
        """
        return {
            found: fault
            for name in self._ways
            for found, way in self._ways[name]
            if (fault := wanted.fault_of(found, way)) and self._is_used(name)
        }

    def refusals(self) -> list[str]:
        """Why it has refused listeners that it was sent, as far as it says."""
        if not any(count for name, count in self._counts.items() if name.endswith(_REJECTED)):
            return []
        states = [one["error_state"] for one in self._listeners("&mask=error_state") if "error_state" in one]
        return [reason_first(str(state.get("details") or gettext("it gives no reason"))) for state in states]

    def _read(self, names: Sequence[str]) -> None:
        """The route configurations *names*: one by one where they are few, else all there are."""
        page = f"{_ROUTES}&name_regex={quote(re.escape(names[0]))}" if len(names) == 1 else _ROUTES
        dump, size = self._ask(page)
        found = {config.get("name", ""): config for config in map(_route_config, _configs(dump))}
        self._ways |= {name: [] for name in names} | {name: list(ways(one)) for name, one in found.items()}
        lengths = {name: len(json.dumps(one)) for name, one in found.items()} if len(found) > 1 else {}
        whole = sum(lengths.values()) or 1
        self._sizes |= {name: size * lengths.get(name, whole) // whole for name in found}

    def _is_used(self, route: str) -> bool:
        """Whether a listener in use asks for the route configuration *route*; its name has the port in it."""
        ports = "|".join(re.findall(r"\d+", route))
        among = f"&name_regex={quote(f'.*_({ports})')}" if ports else ""
        return any(route in _route_names(one.get("active_state")) for one in self._listeners(among))

    def _says(self, page: str) -> Any:
        return self._ask(page)[0]

    def _listeners(self, which: str) -> list[Obj]:
        """Asked again once one was added, changed, removed or refused."""
        counts = tuple(sorted(self._counts.items()))
        if which not in self._answers or self._answers[which][0] != counts:
            self._answers[which] = counts, _configs(self._says(_LISTENERS + which))
        return self._answers[which][1]


def _of_services_in(namespaces: Sequence[str]) -> str:
    if "" in namespaces:
        return ""
    return "&name_regex=" + quote(rf".*\.({'|'.join(map(re.escape, namespaces))})\.svc\..*")


def _configs(dump: Obj) -> list[Obj]:
    """The entries of a dump of one resource; Envoy leaves the list out where it has none."""
    return list(dump.get("configs") or [])


def _route_config(entry: Obj) -> Obj:
    return entry.get("route_config") or {}


def _moments(dump: Obj) -> dict[str, tuple[str, str]]:
    """Name of each route configuration → its version and when it was last changed."""
    return {
        _route_config(one).get("name", ""): (one.get("version_info", ""), one.get("last_updated", ""))
        for one in _configs(dump)
    }


def _route_names(listener: Any) -> Iterator[str]:
    """The route configurations that *listener* asks for, wherever in it that is said."""
    if isinstance(listener, dict):
        for key, value in listener.items():
            yield from [value] if key == "route_config_name" else _route_names(value)
    elif isinstance(listener, list):
        for value in listener:
            yield from _route_names(value)
