"""``HTTPMatchRequest``: what the control plane decides itself, and what it asks Envoy to match."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labkit.embedded.mesh.security.claims import routing_claim
from labkit.embedded.mesh.translate.security import matchers
from labkit.embedded.objects import has_labels

Match = Mapping[str, Any]


@dataclass(frozen=True)
class Source:
    """Who asks: the parts of a match that are settled before Envoy sees anything."""

    gateway: str
    """``mesh`` or ``namespace/name``."""
    namespace: str
    labels: Mapping[str, str]
    port: int
    """The listener's port; on a gateway the server's ``port.number``."""


def applies(match: Match, source: Source) -> bool:
    """Whether *match* is for this proxy at all; ``gateways`` make the source fields ineffective."""
    if match.get("port") and int(match["port"]) != source.port:
        return False
    if match.get("gateways"):
        return source.gateway in match["gateways"]
    namespace = match.get("sourceNamespace") or source.namespace
    return has_labels(source.labels, match.get("sourceLabels") or {}) and namespace == source.namespace


def route_match(match: Match | None) -> dict[str, Any]:
    """Envoy's ``RouteMatch``; every path where there is no match."""
    if match is None:
        return {"prefix": "/"}
    found = {**_path(match), "case_sensitive": not match.get("ignoreUriCase")}
    headers = _headers(match)
    claims = _claims(match)
    parameters = _query_parameters(match)
    if headers:
        found["headers"] = headers
    if claims:
        found["dynamic_metadata"] = claims
    if parameters:
        found["query_parameters"] = parameters
    return found


_CONDITIONS = ("headers", "query_parameters", "dynamic_metadata")


def is_catch_all(route: Mapping[str, Any]) -> bool:
    """Whether nothing can come after *route*: any path, no further condition."""
    match = route["match"]
    anything = match.get("prefix") == "/" or match.get("safe_regex", {}).get("regex") == ".*"
    return anything and not any(match.get(each) for each in _CONDITIONS)


def _path(match: Match) -> dict[str, Any]:
    uri = match.get("uri") or {}
    if "exact" in uri:
        return {"path": uri["exact"]}
    if "regex" in uri:
        return {"safe_regex": {"regex": uri["regex"]}}
    if "pathPrefix" in uri:  # of an Ingress
        return {"path_separated_prefix": uri["pathPrefix"].removesuffix("/")}
    return {"prefix": uri.get("prefix", "/")}


_PSEUDO_HEADERS = (("method", ":method"), ("authority", ":authority"), ("scheme", ":scheme"))


def _headers(match: Match) -> list[dict[str, Any]]:
    named = _plain(match.get("headers"))
    absent = _plain(match.get("withoutHeaders"))
    found = [_header(name, named[name]) for name in sorted(named)]
    found += [_without(name, absent[name]) for name in sorted(absent)]
    found += [_header(name, match[field]) for field, name in _PSEUDO_HEADERS if match.get(field)]
    return found


def _plain(headers: Mapping[str, Match | None] | None) -> Mapping[str, Match | None]:
    """Those that are headers, and no claims."""
    return {name: each for name, each in (headers or {}).items() if routing_claim(name) is None}


def _claims(match: Match) -> list[dict[str, Any]]:
    """What is asked of the request's token."""
    found = [_claim(name, each) for name, each in sorted((match.get("headers") or {}).items())]
    excluded = [_claim(name, each) for name, each in sorted((match.get("withoutHeaders") or {}).items())]
    return [*(each for each in found if each), *({**each, "invert": True} for each in excluded if each)]


def _claim(name: str, match: Match | None) -> dict[str, Any]:
    keys = routing_claim(name)
    text = string_match(match or {}) or matchers.ANYTHING
    return matchers.claim(keys, {"string_match": text}) if keys else {}


def _header(name: str, match: Match | None) -> dict[str, Any]:
    text = string_match(match or {})
    return {"name": name, "string_match": text} if text else {"name": name, "present_match": True}


def _without(name: str, match: Match | None) -> dict[str, Any]:
    found = {**_header(name, match), "invert_match": True}
    # A header that is not there counts as empty, and so differs from the text asked for.
    return found if "present_match" in found else {**found, "treat_missing_header_as_empty": True}


def _query_parameters(match: Match) -> list[dict[str, Any]]:
    parameters = match.get("queryParams") or {}
    return [_parameter(name, parameters[name]) for name in sorted(parameters)]


def _parameter(name: str, match: Match | None) -> dict[str, Any]:
    text = string_match(match or {})
    return {"name": name, "string_match": text} if text else {"name": name, "present_match": True}


def string_match(match: Match) -> dict[str, Any] | None:
    """Envoy's ``StringMatcher``; None where any value will do (``{}``, regex ``*``)."""
    if "exact" in match:
        return {"exact": match["exact"]}
    if match.get("prefix"):
        return {"prefix": match["prefix"]}
    if match.get("regex") and match["regex"] != "*":
        return {"safe_regex": {"regex": match["regex"]}}
    return None
