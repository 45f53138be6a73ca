"""Who uses what was applied, asked of the proxies themselves: works with any istiod, and with none in sight.

A real istiod says of each proxy whether what it sent was acknowledged, not whether it has sent what was
applied a moment ago: it waits a while for more (100 ms since the last change, by default). So each proxy
is asked for what it uses (``config_dump``). It has everything when

- its routes lead where the VirtualServices say now, with their weights, and none comes from one that is gone;
- nothing in it changes any more for :data:`QUIET` seconds, which is what shows that Gateways, Services,
  endpoints, matches and rewrites have arrived as well: several times as long as istiod waits.

A listener that a proxy refused stands beside what it uses, with the reason (``error_state``). Of other
things it refuses only its silence tells, and when time is up the sentence says what it has not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.envoy_reasons import reason_first
from labkit.errors import ApiRefused, WaitTimeout
from labkit.kube.acknowledgement import NOT_ASKED, ObjectFault, ProxyState, laggards
from labkit.kube.api import Api, Obj
from labkit.kube.destinations import full_host, short_host
from labkit.kube.proxies import Proxy, find_proxies
from labkit.kube.proxy_admin import AdminRefused, ask_all
from labkit.kube.resources import VIRTUAL_SERVICES
from labkit.kube.route_words import rule

QUIET = 0.7
_UNASKED = 3.0  # seconds that are waited where no proxy may be asked
_PAUSE = 0.1
_PAGE = "config_dump?include_eds"
_NAMES = ("active_state", "cluster", "route_config", "endpoint_config")

_Rule = tuple[str, str]
_Way = tuple[tuple[str, str, int], ...]
"""Where a route leads: host (``name.namespace``), subset, weight."""


@dataclass(frozen=True)
class Wanted:
    """What the VirtualServices of some namespaces say."""

    rules: dict[_Rule, list[_Way]]
    """Name and namespace → where each of its routes shall lead."""
    namespaces: list[str]

    def knows(self, found: _Rule) -> bool:
        """Whether *found* would be among the rules if it existed."""
        return "" in self.namespaces or found[1] in self.namespaces


class AskProxies:
    """Looks at every proxy of *namespaces* (by default of all) until each has everything."""

    def __init__(self, api: Api, namespaces: Sequence[str] = ("",)) -> None:
        self._api, self._namespaces = api, namespaces

    @property
    def faults(self) -> tuple[ObjectFault, ...]:
        """None: a proxy does not know what it was not told."""
        return ()

    def wait(self, revision: str, timeout: float) -> tuple[ProxyState, ...]:
        """See :class:`labkit.kube.acknowledgement.Strategy`; a *revision* means nothing to a proxy."""
        started = changed = time.monotonic()
        before: dict[Proxy, str] | None = None
        while True:
            dumps = self._look()
            now = time.monotonic()
            after = {proxy: _fingerprint(dump, self._namespaces) for proxy, dump in dumps.items()}
            if after != before:
                before, changed = after, now
            states = self._states(dumps)
            late = any(state.state == "STALE" for state in states)
            if not late and now - changed >= QUIET and now - started >= _least(states):
                return states
            if now - started >= timeout:
                raise WaitTimeout(laggards(states, timeout))
            time.sleep(_PAUSE)

    def _look(self) -> dict[Proxy, Any]:
        """What each proxy uses; those whose pod went away meanwhile are no longer of interest."""
        dumps = ask_all(self._api, find_proxies(self._api, self._namespaces), _PAGE)
        return {
            proxy: dump
            for proxy, dump in dumps.items()
            if not (isinstance(dump, AdminRefused) and dump.is_gone)
        }

    def _states(self, dumps: dict[Proxy, Any]) -> tuple[ProxyState, ...]:
        wanted = self._wanted()
        return tuple(
            ProxyState(f"{proxy.pod}.{proxy.namespace}", *_state(dump, wanted))
            for proxy, dump in sorted(dumps.items(), key=lambda item: (item[0].namespace, item[0].pod))
        )

    def _wanted(self) -> Wanted:
        """What the VirtualServices say of each namespace whose VirtualServices may be read."""
        rules: dict[_Rule, list[_Way]] = {}
        known: list[str] = []
        for namespace in self._namespaces:
            try:
                found = self._api.items(VIRTUAL_SERVICES.path(namespace))
            except ApiRefused as error:
                if error.code != 403:
                    raise
                continue
            known.append(namespace)
            rules |= {(o["metadata"]["name"], o["metadata"]["namespace"]): wanted_ways(o) for o in found}
        return Wanted(rules, known)


def _state(dump: Any, wanted: Wanted) -> tuple[str, str]:
    """A proxy's state, and why."""
    if isinstance(dump, AdminRefused):
        return NOT_ASKED, str(dump)
    if refusals := list(_refusals(dump)):
        return "NACK", "; ".join(refusals)
    for found, way in ways(dump):
        if found not in wanted.rules and wanted.knows(found):
            return "STALE", f"it has a route of VirtualService {found[0]}, which is gone"
        if found in wanted.rules and way not in wanted.rules[found]:
            return "STALE", f"a route of VirtualService {found[0]} leads elsewhere"
    return "SYNCED", ""


def _least(states: Sequence[ProxyState]) -> float:
    """Seconds to wait in any case: longer where one can only hope."""
    return _UNASKED if any(state.state == NOT_ASKED for state in states) else 0.0


def _entries(dump: Obj) -> Iterator[Obj]:
    """Everything istiod has sent: listeners, clusters, routes, endpoints."""
    for part in dump["configs"]:
        for name, entries in part.items():
            if name.startswith("dynamic_"):
                yield from entries


def _fingerprint(dump: Any, namespaces: Sequence[str]) -> str:
    """What a proxy uses, without the versions, which say nothing of it, and without others' Services."""
    if isinstance(dump, AdminRefused):
        return ""
    found = [entry[name] for entry in _entries(dump) for name in _NAMES if name in entry]
    ours = [state for state in found if _is_ours(state, namespaces)]
    return json.dumps([{**state, "version_info": "", "last_updated": ""} for state in ours], sort_keys=True)


def _is_ours(state: Obj, namespaces: Sequence[str]) -> bool:
    """Whether it is anything but the cluster, or its endpoints, of a Service elsewhere."""
    host = short_host(str(state.get("cluster_name") or state.get("name") or "").rpartition("|")[2])
    return namespaces == ("",) or "." not in host or host.rpartition(".")[2] in namespaces


def _refusals(dump: Obj) -> Iterator[str]:
    for entry in _entries(dump):
        if "error_state" in entry:
            yield reason_first(str(entry["error_state"].get("details") or "it gives no reason"))


# ---------------------------------------------------------------------------------------------- routes


def ways(dump: Obj) -> Iterator[tuple[_Rule, _Way]]:
    """For each route made from a VirtualService: its name and namespace, and where the route leads.

    A listener that was removed keeps its routes until the last of its connections has drained.
    """
    entries = list(_entries(dump))
    used = {name for entry in entries for name in _route_names(entry.get("active_state"))}
    for entry in entries:
        config = entry.get("route_config") or {}
        for host in (config.get("virtual_hosts") or []) if config.get("name") in used else []:
            for route in host.get("routes") or []:
                if (found := rule(route)) != ("", ""):
                    yield found, _way(_clusters(route.get("route") or {}))


def _route_names(listener: Any) -> Iterator[str]:
    """The route configurations that *listener* asks for, wherever in it that is said."""
    if isinstance(listener, dict):
        for key, value in listener.items():
            yield from [value] if key == "route_config_name" else _route_names(value)
    elif isinstance(listener, list):
        for value in listener:
            yield from _route_names(value)


def _clusters(action: Obj) -> Iterator[tuple[str, str, int]]:
    weighted = (action.get("weighted_clusters") or {}).get("clusters")
    for one in weighted or ([{"name": action["cluster"]}] if "cluster" in action else []):
        _, _, subset, host = one["name"].split("|") if one["name"].count("|") == 3 else ("", "", "", "")
        yield short_host(host), subset, int(one.get("weight", 0 if weighted else 100))


def wanted_ways(virtual_service: Obj) -> list[_Way]:
    """Where each of its routes shall lead."""
    namespace = virtual_service["metadata"]["namespace"]
    found = []
    for route in virtual_service["spec"].get("http") or []:
        targets = route.get("route") or []
        found.append(
            _way(
                (
                    full_host(target["destination"]["host"], namespace),
                    target["destination"].get("subset", ""),
                    int(target.get("weight", 0)),
                )
                for target in targets
            )
        )
    return found


def _way(targets: Iterator[tuple[str, str, int]]) -> _Way:
    """As Istio does: one destination needs no weight, and of several those with 0 are left out."""
    found = list(targets)
    some = [target for target in found if target[2]] if len(found) > 1 else found
    if len(some) == 1:
        return ((*some[0][:2], 100),)
    return tuple(sorted(some))
