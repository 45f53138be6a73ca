"""Which rule shares out the requests for a host: found by the host, whatever it is called, as Istio chooses.

Of several VirtualServices for a host the first by Istio's order acts (what is the callers' namespace's
alone, what is exported to it, what all may see; the oldest first), wherever it lives; one with a wildcard
where none names the host. A delegate is followed. Of its routes the default one is meant, behind those
for certain requests (headers, paths); with *headers*, the first that takes requests with these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from labkit.errors import ApiRefused
from labkit.kube.api.api import Api, Obj
from labkit.kube.api.listing import items_in
from labkit.kube.api.resources import VIRTUAL_SERVICES
from labkit.kube.mesh.destinations import full_host
from labkit.kube.mesh.mesh_config import default_rule_export_to
from labkit.kube.mesh.virtual_services import (
    EVERYWHERE,
    HttpRoute,
    entries,
    is_exported_to,
    precedence,
    routes_of,
)
from labkit.release.rule import Rule

MESH = "mesh"


@dataclass(frozen=True)
class Calls:
    """The requests in question: GETs, for any path."""

    host: str = ""
    """As the callers write it."""
    namespace: str = ""
    """Of the callers."""
    port: int = 80
    headers: Mapping[str, str] = field(default_factory=dict)
    labels: Callable[[], Mapping[str, str]] = dict
    """Tells those of the callers' pods; asked only where a rule depends on them (``sourceLabels``)."""


def find_rule(api: Api, calls: Calls, *, places: Collection[str] = ()) -> Rule | None:
    """The rule that shares out *calls*; None where there is none.

    places: the namespaces that are looked through where one may not list VirtualServices everywhere.
    """
    found = _readable_ones(api, calls.namespace, places)
    default = EVERYWHERE if all(_says_where(one) for one in found) else default_rule_export_to(api)
    visible = [one for one in found if is_exported_to(one, calls.namespace, default)]
    acting = _acting(sorted(visible, key=lambda one: precedence(one, default)), calls)

    def find(namespace: str, name: str) -> Obj | None:
        return api.find(VIRTUAL_SERVICES.path(namespace, name))

    for virtual_service in acting:
        routes = [one for one in routes_of(virtual_service, find, default) if _is_for(one, calls)]
        if routes:  # the first that has any owns the host, also where it has none for these
            return next((Rule(one.object, one.number) for one in routes if _takes(one, calls)), None)
    return None


def rule_of(virtual_service: Obj, *, headers: Mapping[str, str] | None = None) -> Rule | None:
    """The route of *virtual_service* that takes requests with *headers*, by default the default one."""
    namespace = str(virtual_service["metadata"].get("namespace") or "")
    calls = Calls(namespace=namespace, headers=headers or {})
    routes = (HttpRoute(virtual_service, number) for number in range(len(entries(virtual_service))))
    return next((Rule(one.object, one.number) for one in routes if _takes(one, calls)), None)


def _says_where(virtual_service: Obj) -> bool:
    """Whether it says itself who sees it."""
    return bool((virtual_service.get("spec") or {}).get("exportTo"))


def _readable_ones(api: Api, namespace: str, places: Collection[str]) -> list[Obj]:
    """All that may hold for the pods of *namespace*, as far as one may look."""
    try:
        return items_in(api, VIRTUAL_SERVICES, [""])
    except ApiRefused as error:  # who shares a cluster may look in some namespaces only
        if error.code != 403:
            raise
        found = items_in(api, VIRTUAL_SERVICES, [namespace])
        return found + [one for place in {*places} - {namespace, ""} for one in _readable(api, place)]


def _readable(api: Api, namespace: str) -> list[Obj]:
    try:
        return api.items(VIRTUAL_SERVICES.path(namespace))
    except ApiRefused as error:
        if error.code != 403:
            raise
        return []


def _acting(visible: Collection[Obj], calls: Calls) -> list[Obj]:
    """Those of *visible* for the host as closely as any."""
    wanted = full_host(calls.host, calls.namespace)
    fits = [_closeness(one, wanted) for one in visible]
    closest = max(fits, default=0)
    return [one for one, fitting in zip(visible, fits, strict=True) if fitting == closest and closest]


def _closeness(virtual_service: Obj, wanted: str) -> int:
    spec = virtual_service.get("spec") or {}
    if MESH not in (spec.get("gateways") or [MESH]):
        return 0
    namespace = str(virtual_service["metadata"]["namespace"])
    hosts = [full_host(str(one), namespace) for one in spec.get("hosts") or []]
    return max((_fitting(one, wanted) for one in hosts), default=0)


def _fitting(host: str, wanted: str) -> int:
    """How closely the *host* of a rule names *wanted*: the closest rule acts; 0 where it does not."""
    if host == wanted:
        return len(wanted) + 2
    names = (wanted, f"{wanted}.svc.cluster.local")
    return len(host) if host[:1] == "*" and any(name.endswith(host[1:]) for name in names) else 0


# ---------------------------------------------------------------------------------------------- matches


def _is_for(route: HttpRoute, calls: Calls) -> bool:
    """Whether the callers' sidecars have it."""
    return all(any(_concerns(one, calls) for one in matches) for matches in _matches_of(route))


def _takes(route: HttpRoute, calls: Calls) -> bool:
    """Whether it lets any path of *calls* through."""
    return all(any(_lets_in(one, calls) for one in matches) for matches in _matches_of(route))


def _matches_of(route: HttpRoute) -> Iterator[list[Obj]]:
    """Its matches, and those of the route that hands over to it: one of each has to fit."""
    for http in (route.within or {}, route.http):
        yield http.get("match") or [{}]


def _concerns(match: Obj, calls: Calls) -> bool:
    """By what a proxy is, and not by what a request is."""
    return (
        MESH in (match.get("gateways") or [MESH])
        and int(match.get("port") or calls.port) == calls.port
        and (match.get("sourceNamespace") or calls.namespace) == calls.namespace
        and _calls_have(match.get("sourceLabels"), calls)
    )


def _calls_have(labels: Mapping[str, str] | None, calls: Calls) -> bool:
    return not labels or labels.items() <= calls.labels().items()


def _lets_in(match: Obj, calls: Calls) -> bool:
    texts = {"method": "GET", "scheme": "http", "authority": calls.host}
    wanted, unwanted = match.get("headers") or {}, match.get("withoutHeaders") or {}
    return (
        _concerns(match, calls)
        and not match.get("queryParams")
        and (not match.get("uri") or _takes_any_path(match["uri"]))
        and all(_fits(match[name], value) for name, value in texts.items() if match.get(name))
        and all(_header_fits(name, how, calls) for name, how in wanted.items())
        and not any(_header_fits(name, how, calls) for name, how in unwanted.items())
    )


def _takes_any_path(how: Mapping[str, Any]) -> bool:
    return how.get("prefix") == "/" or all(_fits(how, path) for path in ("/", "/a/path?of=any&kind"))


def _header_fits(name: str, how: Mapping[str, Any] | None, calls: Calls) -> bool:
    given = {known.lower(): value for known, value in calls.headers.items()}
    return _fits(how or {}, given.get(name.lower()))


def _fits(how: Mapping[str, Any], value: str | None) -> bool:
    """Whether *value* is what a StringMatch asks for (``{}``: that it is there)."""
    if value is None:
        return False
    fits = {
        "exact": value == how.get("exact"),
        "prefix": value.startswith(str(how.get("prefix"))),
        "regex": _matches(str(how.get("regex")), value),
    }
    return all(fits.get(kind, False) for kind in how)


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:
        return False
