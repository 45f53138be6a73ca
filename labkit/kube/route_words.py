"""Envoy's route configuration in a learner's words: what a route matches, where it leads, what it changes.

Fields: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

PASSTHROUGH, BLACK_HOLE = "PassthroughCluster", "BlackHoleCluster"
_ANY = "any path"
_SIGNS = {"exact": "=", "prefix": "starts with", "suffix": "ends with", "contains": "has"}
_BLIND = {
    PASSTHROUGH: "wherever the caller wants",
    BLACK_HOLE: "nowhere: the connection is closed",
}
_REDIRECTS = {"MOVED_PERMANENTLY": 301, "FOUND": 302, "SEE_OTHER": 303}
_REDIRECTS |= {"TEMPORARY_REDIRECT": 307, "PERMANENT_REDIRECT": 308}
_RULE = re.compile(r"/namespaces/(?P<namespace>[^/]+)/virtual-service/(?P<name>[^/]+)$")


def matched(match: Json) -> str:
    """What a request has to be: ``path = /service-a and header x-user = anna``."""
    words = [_path(match)]
    words += [_header(header) for header in match.get("headers") or []]
    words += [_named("parameter", one) for one in match.get("query_parameters") or []]
    words += [f"{one['key']} = {_value(one)}" for one in match.get("filter_state") or []]
    some = [word for word in words if word]
    return " and ".join(some) or _ANY


def _value(state: Json) -> str:
    return str(next(iter((state.get("string_match") or {}).values()), "…"))


def reached(chain: Json) -> str:
    """Which connections a filter chain of no HTTP takes: ``any bytes to port 15001``."""
    match: Json = chain.get("filter_chain_match") or {}
    words = [f"to port {match['destination_port']}"] if "destination_port" in match else []
    words += [
        f"to {one['address_prefix']}/{one.get('prefix_len', 0)}" for one in match.get("prefix_ranges") or []
    ]
    words += [f"to TLS host {name}" for name in match.get("server_names") or []]
    return " ".join(["any bytes", *words])


def _path(match: Json) -> str:
    if "path" in match:
        return f"path = {match['path']}"
    if folder := match.get("path_separated_prefix"):
        return f"path = {folder} or below"
    if "safe_regex" in match:
        return f"path fits {match['safe_regex']['regex']}"
    prefix = match.get("prefix", "/")
    return "" if prefix == "/" else f"path starts with {prefix}"


def _header(header: Json) -> str:
    if header["name"] == ":method":
        return _named("method", header).replace("method :method", "method")
    if header["name"] == ":authority":
        return _named("host", header).replace("host :authority", "host")
    return _named("header", header)


def _named(kind: str, one: Json) -> str:
    """*one* is a header or a parameter; its value is asked for in one of many ways."""
    what = f"not {kind} {one['name']}" if one.get("invert_match") else f"{kind} {one['name']}"
    wanted: Json = one.get("string_match") or {}
    for way, sign in _SIGNS.items():
        if way in wanted:
            return f"{what} {sign} {wanted[way]}"
    if "safe_regex" in wanted:
        return f"{what} fits {wanted['safe_regex']['regex']}"
    return what


def destinations(route: Json) -> Iterator[tuple[str, str, int | None]]:
    """Where *route* leads: destination in words, Envoy's cluster, weight (None for a copy)."""
    action: Json = route.get("route") or {}
    if answer := route.get("direct_response"):
        yield f"answers {answer['status']}", "", 100
    elif redirect := route.get("redirect"):
        yield _redirected(redirect), "", 100
    elif weighted := action.get("weighted_clusters"):
        for cluster in weighted["clusters"]:
            yield destination(cluster["name"]), cluster["name"], int(cluster.get("weight", 0))
    else:
        name = str(action.get("cluster") or action.get("cluster_header") or "")
        yield destination(name), name, 100
    for mirror in action.get("request_mirror_policies") or []:
        yield f"{destination(mirror['cluster'])}, a copy", mirror["cluster"], None


def destination(cluster: str) -> str:
    """``outbound|80|v2|service-c-srv.dev.svc.cluster.local`` → ``service-c-srv.dev:80, subset v2``."""
    if words := _BLIND.get(cluster.partition("|")[0]):
        return words
    direction, *rest = cluster.split("|")
    if len(rest) != 3:
        return cluster
    port, subset, host = rest
    if direction == "inbound":
        return f"its own container, port {port}"
    return f"{short(host)}:{port}{f', subset {subset}' if subset else ''}"


def short(host: str) -> str:
    """A Service's host without what all hosts of a cluster end with."""
    return re.sub(r"\.svc\.cluster\.local$", "", host)


def _redirected(redirect: Json) -> str:
    code = _REDIRECTS.get(redirect.get("response_code", "MOVED_PERMANENTLY"), 301)
    where = f"{redirect.get('host_redirect', '')}{redirect.get('path_redirect', '')}"
    scheme = "https://" if redirect.get("https_redirect") else ""
    return f"sends elsewhere ({code}): {scheme}{where}"


def rewrite(route: Json) -> str:
    """What becomes of the request's path and host: ``path → /``."""
    action: Json = route.get("route") or {}
    words = []
    if "prefix_rewrite" in action:
        words.append(f"path → {action['prefix_rewrite']}")
    elif "regex_rewrite" in action:
        words.append(f"path → {action['regex_rewrite']['substitution']}")
    if "host_rewrite_literal" in action:
        words.append(f"host → {action['host_rewrite_literal']}")
    return ", ".join(words)


def rule(route: Json) -> tuple[str, str]:
    """Name and namespace of the VirtualService *route* was made from; both empty where it is Istio's own."""
    istio: Json = ((route.get("metadata") or {}).get("filter_metadata") or {}).get("istio") or {}
    found = _RULE.search(str(istio.get("config", "")))
    return (found["name"], found["namespace"]) if found else ("", "")
