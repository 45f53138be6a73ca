"""A VirtualService's HTTP rules as Envoy routes, in order; and the routes that need no VirtualService.

``match`` is evaluated in two places: what concerns the proxy (port, gateways, source) here, by leaving
routes out; what concerns the request by Envoy, first match wins. Nothing is emitted after a catch-all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.embedded.mesh.durations import proto
from labkit.embedded.mesh.mesh_config import MeshConfig
from labkit.embedded.mesh.snapshot import Resource
from labkit.embedded.mesh.translate.naming import PASSTHROUGH, config_metadata, host_and_port
from labkit.embedded.mesh.translate.routes import actions, headers
from labkit.embedded.mesh.translate.routes.destinations import (
    Destinations,
    mirror_policies,
    weighted_clusters,
)
from labkit.embedded.mesh.translate.routes.matches import Source, applies, is_catch_all, route_match
from labkit.embedded.mesh.translate.routes.retries import inbound_retry_policy, retry_policy
from labkit.embedded.mesh.virtual_services import VirtualService

Rule = Mapping[str, Any]
NO_TIMEOUT = {"timeout": "0s", "max_grpc_timeout": "0s"}
"""Envoy's own default would be 15 s; in a mesh there is none."""


def routes_of(service: VirtualService, source: Source, destinations: Destinations) -> list[Resource]:
    """The routes of *service* for one proxy; empty where none of its rules is for it."""
    found: list[Resource] = []
    for rule, match in _alternatives(service):
        if match is not None and not applies(match, source):
            continue
        route = _route(service, rule, match, destinations)
        if route is None:
            continue
        found.append(route)
        if is_catch_all(route):
            break
    return found


def _alternatives(service: VirtualService) -> Iterator[tuple[Rule, Rule | None]]:
    for rule in service.http:
        for match in rule.get("match") or [None]:
            yield rule, match


def _route(
    service: VirtualService, rule: Rule, match: Rule | None, destinations: Destinations
) -> Resource | None:
    name = ".".join(part for part in (rule.get("name"), (match or {}).get("name")) if part)
    route: Resource = {"name": name} if name else {}
    route["match"] = route_match(match)
    action = _action(rule, destinations)
    if action is None:
        return None
    route |= action
    route["decorator"] = {"operation": _operation(route, service.name, destinations.port)}
    route["metadata"] = config_metadata("virtual-service", service.namespace, service.name)
    config = actions.per_filter_config(rule)
    route |= {"typed_per_filter_config": config} if config else {}
    prefix = (match or {}).get("statPrefix")
    return route | ({"stat_prefix": prefix} if prefix else {})


def _action(rule: Rule, destinations: Destinations) -> dict[str, Any] | None:
    """The route's action and its header operations."""
    operations = headers.header_operations(rule.get("headers"))
    if rule.get("redirect"):
        redirect = actions.redirect(rule["redirect"], destinations.port)
        return None if redirect is None else {"redirect": redirect, **operations}
    if rule.get("directResponse"):
        return {"direct_response": actions.direct_response(rule["directResponse"]), **operations}
    routes = rule.get("route") or []
    if len(routes) == 1:
        operations = headers.merged(operations, headers.header_operations(routes[0].get("headers")))
    action = _forward(rule, destinations)
    return None if action is None else {"route": action, **operations}


def _forward(rule: Rule, destinations: Destinations) -> dict[str, Any] | None:
    routes = rule.get("route") or []
    action = _cluster(routes, destinations)
    if action is None:
        return None
    timeout = proto(rule["timeout"]) if rule.get("timeout") else "0s"
    action |= {"timeout": timeout, "max_grpc_timeout": timeout, **_rewrite(rule)}
    hashing = [policy for each in routes for policy in destinations.hash_policy(each["destination"])]
    default = destinations.state.mesh.default_http_retry_policy
    policy = retry_policy(rule.get("retries", default), hashed=bool(hashing))
    mirrors = mirror_policies(rule, destinations)
    action |= {"hash_policy": hashing} if hashing else {}
    action |= {"retry_policy": policy} if policy else {}
    return action | ({"request_mirror_policies": mirrors} if mirrors else {})


def _cluster(routes: list[Rule], destinations: Destinations) -> dict[str, Any] | None:
    """One destination takes everything, whatever its weight; of several, those that have a weight."""
    if len(routes) == 1:
        return {"cluster": destinations.cluster(routes[0]["destination"])}
    clusters = weighted_clusters(routes, destinations)
    # Envoy refuses an empty list, and with it everything else in the same answer.
    return {"weighted_clusters": {"clusters": clusters}} if clusters else None


def _rewrite(rule: Rule) -> dict[str, Any]:
    given = rule.get("rewrite") or {}
    found: dict[str, Any] = {}
    pattern = given.get("uriRegexRewrite")
    if pattern:
        regex = {"regex": pattern.get("match", "")}
        found["regex_rewrite"] = {"pattern": regex, "substitution": pattern.get("rewrite", "")}
    elif given.get("uri"):
        found["prefix_rewrite"] = given["uri"]
    host = given.get("authority") or _header_authority(rule)
    return found | ({"host_rewrite_literal": host} if host else {})


def _header_authority(rule: Rule) -> str:
    routes = rule.get("route") or []
    own = headers.authority(routes[0].get("headers")) if len(routes) == 1 else ""
    return own or headers.authority(rule.get("headers"))


def _operation(route: Resource, name: str, port: int) -> str:
    """What a span of this route is called: where it goes, else which VirtualService sends it."""
    match = route["match"]
    path = match.get("path") or match.get("safe_regex", {}).get("regex") or match.get("prefix", "/") + "*"
    target = host_and_port(route.get("route", {}).get("cluster", ""))
    host, number = target or (name, port)
    return f"{host}:{number}{path}"


def default_route(cluster: str, operation: str, action: Mapping[str, Any]) -> Resource:
    """The one route of a service without a VirtualService."""
    return {
        "name": "default",
        "match": {"prefix": "/"},
        "route": {"cluster": cluster, **NO_TIMEOUT, **action},
        "decorator": {"operation": operation},
    }


def outbound_default(
    mesh: MeshConfig, cluster: str, host: str, port: int, hashing: list[dict[str, Any]]
) -> Resource:
    policy = retry_policy(mesh.default_http_retry_policy)
    action: dict[str, Any] = {"retry_policy": policy} if policy else {}
    action |= {"hash_policy": hashing} if hashing else {}
    return default_route(cluster, f"{host}:{port}/*", action)


def inbound_default(cluster: str, host: str, port: int, *, grpc: bool) -> Resource:
    action = {} if grpc else {"retry_policy": inbound_retry_policy()}
    return default_route(cluster, f"{host}:{port}/*", action)


def allow_any(cluster_ips: list[Resource]) -> Resource:
    """The catch-all of ALLOW_ANY: on to wherever the caller wanted to go (see ``clusters.kube_proxy``)."""
    route = {"cluster": PASSTHROUGH, **NO_TIMEOUT}
    return _catch_all(*cluster_ips, {"name": "allow_any", "match": {"prefix": "/"}, "route": route})


def block_all() -> Resource:
    """The catch-all of REGISTRY_ONLY: 502, no body."""
    return _catch_all({"name": "block_all", "match": {"prefix": "/"}, "direct_response": {"status": 502}})


def _catch_all(*routes: Resource) -> Resource:
    return {
        "name": routes[-1]["name"],
        "domains": ["*"],
        "routes": list(routes),
        "include_request_attempt_count": True,
    }
