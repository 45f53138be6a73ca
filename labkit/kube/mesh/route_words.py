"""Envoy's route configuration in a learner's words: what a route matches, where it leads, what it changes.

Fields: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from labkit.language import gettext, gettext_noop

Json = dict[str, Any]

PASSTHROUGH, BLACK_HOLE = "PassthroughCluster", "BlackHoleCluster"
_ANY = gettext_noop("any path")
_SIGNS = {
    "exact": "=",
    "prefix": gettext_noop("starts with"),
    "suffix": gettext_noop("ends with"),
    "contains": gettext_noop("has"),
}
_BLIND = {
    PASSTHROUGH: gettext_noop("wherever the caller wants"),
    BLACK_HOLE: gettext_noop("nowhere: the connection is closed"),
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
    return gettext(" and ").join(some) or gettext(_ANY)


def _value(state: Json) -> str:
    return str(next(iter((state.get("string_match") or {}).values()), "…"))


def reached(chain: Json) -> str:
    """Which connections a filter chain of no HTTP takes: ``any bytes to port 15001``."""
    match: Json = chain.get("filter_chain_match") or {}
    words = [gettext("to port {port}", port=match["destination_port"])] if "destination_port" in match else []
    words += [gettext("to {address}", address=_range(one)) for one in match.get("prefix_ranges") or []]
    words += [gettext("to TLS host {name}", name=name) for name in match.get("server_names") or []]
    return " ".join([gettext("any bytes"), *words])


def _range(addresses: Json) -> str:
    return f"{addresses['address_prefix']}/{addresses.get('prefix_len', 0)}"


def _path(match: Json) -> str:
    if "path" in match:
        return gettext("path = {path}", path=match["path"])
    if folder := match.get("path_separated_prefix"):
        return gettext("path = {folder} or below", folder=folder)
    if "safe_regex" in match:
        return gettext("path fits {regex}", regex=match["safe_regex"]["regex"])
    prefix = match.get("prefix", "/")
    return "" if prefix == "/" else gettext("path starts with {prefix}", prefix=prefix)


def _header(header: Json) -> str:
    if header["name"] == ":method":
        return _named("method", header).replace("method :method", "method")
    if header["name"] == ":authority":
        return _named("host", header).replace("host :authority", "host")
    return _named("header", header)


def _named(kind: str, one: Json) -> str:
    """*one* is a header or a parameter; its value is asked for in one of many ways."""
    what = (
        gettext("not {kind} {name}", kind=kind, name=one["name"])
        if one.get("invert_match")
        else f"{kind} {one['name']}"
    )
    wanted: Json = one.get("string_match") or {}
    for way, sign in _SIGNS.items():
        if way in wanted:
            return f"{what} {gettext(sign)} {wanted[way]}"
    if "safe_regex" in wanted:
        return gettext("{what} fits {regex}", what=what, regex=wanted["safe_regex"]["regex"])
    return what


def destinations(route: Json) -> Iterator[tuple[str, str, int | None]]:
    """Where *route* leads: destination in words, Envoy's cluster, weight (None for a copy)."""
    action: Json = route.get("route") or {}
    if answer := route.get("direct_response"):
        yield gettext("answers {status}", status=answer["status"]), "", 100
    elif redirect := route.get("redirect"):
        yield _redirected(redirect), "", 100
    elif weighted := action.get("weighted_clusters"):
        for cluster in weighted["clusters"]:
            yield destination(cluster["name"]), cluster["name"], int(cluster.get("weight", 0))
    else:
        name = str(action.get("cluster") or action.get("cluster_header") or "")
        yield destination(name), name, 100
    for mirror in action.get("request_mirror_policies") or []:
        copy = gettext("{destination}, a copy", destination=destination(mirror["cluster"]))
        yield copy, mirror["cluster"], None


def destination(cluster: str) -> str:
    """``outbound|80|v2|catalogue.bookshop.svc.cluster.local`` → ``catalogue.bookshop:80, subset v2``."""
    if words := _BLIND.get(cluster.partition("|")[0]):
        return gettext(words)
    direction, *rest = cluster.split("|")
    if len(rest) != 3:
        return cluster
    port, subset, host = rest
    if direction == "inbound":
        return gettext("its own container, port {port}", port=port)
    there = f"{short(host)}:{port}"
    return gettext("{service}, subset {subset}", service=there, subset=subset) if subset else there


def short(host: str) -> str:
    """A Service's host without what all hosts of a cluster end with."""
    return re.sub(r"\.svc\.cluster\.local$", "", host)


def _redirected(redirect: Json) -> str:
    code = _REDIRECTS.get(redirect.get("response_code", "MOVED_PERMANENTLY"), 301)
    where = f"{redirect.get('host_redirect', '')}{redirect.get('path_redirect', '')}"
    scheme = "https://" if redirect.get("https_redirect") else ""
    return gettext("sends elsewhere ({code}): {scheme}{where}", code=code, scheme=scheme, where=where)


def rewrite(route: Json) -> str:
    """What becomes of the request's path and host: ``path → /``."""
    action: Json = route.get("route") or {}
    words = []
    if "prefix_rewrite" in action:
        words.append(gettext("path → {path}", path=action["prefix_rewrite"]))
    elif "regex_rewrite" in action:
        words.append(gettext("path → {path}", path=action["regex_rewrite"]["substitution"]))
    if "host_rewrite_literal" in action:
        words.append(gettext("host → {host}", host=action["host_rewrite_literal"]))
    return ", ".join(words)


def rule(route: Json) -> tuple[str, str]:
    """Name and namespace of the VirtualService *route* was made from; both empty where it is Istio's own."""
    istio: Json = ((route.get("metadata") or {}).get("filter_metadata") or {}).get("istio") or {}
    found = _RULE.search(str(istio.get("config", "")))
    return (found["name"], found["namespace"]) if found else ("", "")
