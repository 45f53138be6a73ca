"""Patches to route configurations, their virtual hosts and the routes in those."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from labkit.embedded.mesh.envoy_filters import Patch
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.snapshot import Resource
from labkit.embedded.mesh.translate.patches import values
from labkit.embedded.mesh.translate.patches.lists import edited, of

GatewayPorts: TypeAlias = dict[int, set[int]]
"""A gateway's ports: the pod's → those that its servers are written with."""
OF_ROUTES = ("ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE")
_ACTIONS = {"ROUTE": "route", "REDIRECT": "redirect", "DIRECT_RESPONSE": "direct_response"}


def patched_routes(
    proxy: Proxy, routes: Mapping[str, Resource], patches: list[Patch], ports: GatewayPorts
) -> dict[str, Resource]:
    """The route configurations of *proxy* as *patches* make them."""
    context = "GATEWAY" if proxy.kind == "router" else "SIDECAR_OUTBOUND"
    return {name: patched_configuration(each, patches, context, ports) for name, each in routes.items()}


def patched_configuration(
    body: Resource, patches: list[Patch], context: str, ports: GatewayPorts
) -> Resource:
    """One route configuration as *patches* make it, in *context*."""
    name = _Name.of(str(body["name"]), gateway=context == "GATEWAY")
    mine = [
        each
        for each in patches
        if each.apply_to in OF_ROUTES and each.is_for(context) and name.is_meant_by(each.match, ports)
    ]
    if not mine:
        return body
    for each in of(mine, "ROUTE_CONFIGURATION", "MERGE"):
        body = values.merged(each.apply_to, body, each.value)
    hosts = [_host(each, mine) for each in body.get("virtual_hosts") or []]
    added = [values.made(each.apply_to, each.value) for each in of(mine, "VIRTUAL_HOST", "ADD")]
    return {**body, "virtual_hosts": [*filter(None, hosts), *added]}


@dataclass(frozen=True)
class _Name:
    """What the name of a route configuration says."""

    text: str
    gateway: bool
    port: int = 0
    port_name: str = ""
    owner: str = ""
    """The Gateway, ``namespace/name``."""

    @classmethod
    def of(cls, text: str, *, gateway: bool) -> _Name:
        if gateway:
            kind, number, *rest = [*text.split("."), ""]
            port = int(number) if number.isdecimal() else 0
            if kind != "https" or len(rest) < 4:
                return cls(text, gateway, port)
            return cls(text, gateway, port, rest[0], f"{rest[2]}/{rest[1]}")
        number = text.split("|")[1] if text.startswith("inbound|") else text
        return cls(text, gateway, int(number) if number.isdecimal() else 0)

    def is_meant_by(self, match: Mapping[str, Any], ports: GatewayPorts) -> bool:
        number = int(match.get("portNumber") or 0)
        if number and number not in ports.get(self.port, {self.port}):
            return False
        if self.gateway and match.get("portName") not in (None, "", self.port_name):
            return False
        if self.gateway and match.get("gateway") not in (None, "", self.owner):
            return False
        return match.get("name") in (None, "", self.text)


def _host(body: Resource, patches: list[Patch]) -> Resource | None:
    for each in of(patches, "VIRTUAL_HOST", "MERGE", "REPLACE", "REMOVE"):
        if not _is_host(body, each):
            continue
        if each.operation == "REMOVE":
            return None
        change = values.merged(each.apply_to, body, each.value) if each.operation == "MERGE" else None
        body = change or values.made(each.apply_to, each.value)
    mine = [each for each in of(patches, "HTTP_ROUTE") if _is_host(body, each)]
    return {**body, "routes": _routes(list(body.get("routes") or []), mine)} if mine else body


def _is_host(body: Resource, patch: Patch) -> bool:
    wanted = patch.match.get("vhost") or {}
    domain = wanted.get("domainName")
    return wanted.get("name") in (None, "", body.get("name")) and (not domain or domain in body["domains"])


def _routes(routes: list[Resource], patches: list[Patch]) -> list[Resource]:
    kept = [changed for each in routes if (changed := _route(each, patches)) is not None]
    for each in patches:
        if each.operation in ("MERGE", "REMOVE"):
            continue
        wanted = _wanted(each)
        if wanted is None:
            kept = edited(kept, each, None)
        elif each.operation != "INSERT_FIRST" or any(_is_route(one, wanted) for one in kept):
            kept = edited(kept, each, lambda one, wanted=wanted: _is_route(one, wanted))  # type: ignore[misc]
    return kept


def _route(body: Resource, patches: list[Patch]) -> Resource | None:
    for each in patches:
        if each.operation not in ("MERGE", "REMOVE") or not _is_route(body, _wanted(each) or {}):
            continue
        if each.operation == "REMOVE":
            return None
        body = values.merged(each.apply_to, body, each.value)
    return body


def _wanted(patch: Patch) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = (patch.match.get("vhost") or {}).get("route")
    return found


def _is_route(body: Resource, wanted: Mapping[str, Any]) -> bool:
    if wanted.get("name") not in (None, "", body.get("name")):
        return False
    action = wanted.get("action") or "ANY"
    # As istiod has it: a route with no action at all is anybody's.
    return action == "ANY" or _ACTIONS[action] in body or not any(each in body for each in _ACTIONS.values())
