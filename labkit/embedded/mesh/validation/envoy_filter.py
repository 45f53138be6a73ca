"""Istio's rules for an EnvoyFilter, and which of its patches are without effect here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import re2

from labkit.embedded.mesh.envoy_filters import MANAGER, MATCHES, Patch, not_done
from labkit.embedded.mesh.translate.patches.values import MESSAGES, danger_of, problem_of
from labkit.embedded.mesh.validation import common, policy_targets
from labkit.embedded.mesh.validation.common import Given
from labkit.embedded.mesh.validation.report import Report, quoted
from labkit.embedded.objects import Obj

_OF_LISTENERS = ("LISTENER", "FILTER_CHAIN", "NETWORK_FILTER", "HTTP_FILTER")
_OF_ROUTES = ("ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE")
_NOT_FILTERS = ("LISTENER", "FILTER_CHAIN")
_LONGEST_VERSION = 1024


def check(obj: Obj, report: Report) -> None:
    spec = obj.get("spec") or {}
    _targets(spec, report)
    for number, entry in enumerate(spec.get("configPatches") or []):
        if ((entry or {}).get("match") or {}).get("context") == "WAYPOINT":
            field, words = "match.context", "this cluster has no waypoints; this patch has no effect"
            report.ineffective(f"spec.configPatches[{number}].{field}", words)
            continue
        errors = [f"Envoy filter: {error}" for error in _errors(entry)]
        report.errors_from(errors)
        if not errors:
            _warnings(number, entry, report)


def _targets(spec: Given, report: Report) -> None:
    selector = spec.get("workloadSelector")
    report.errors_from(common.workload_selector(selector, "labels"))
    if selector is not None and not selector.get("labels"):
        report.warning(
            "Envoy filter: workload selector specified without labels, "
            "will be applied to all services in namespace"
        )
    if spec.get("targetRefs"):
        policy_targets.warn(spec, report)


def _errors(entry: Given | None) -> Iterator[str]:
    if entry is None:
        yield "null config patch"
        return
    change = entry.get("patch")
    operation = str((change or {}).get("operation") or "INVALID")
    if str(entry.get("applyTo") or "INVALID") == "INVALID":
        yield "missing applyTo"
    elif change is None:
        yield "missing patch"
    elif operation == "INVALID":
        yield "missing patch operation"
    elif operation != "REMOVE" and change.get("value") is None:
        yield "missing patch value for non-remove operation"
    else:
        yield from _of_version(str(((entry.get("match") or {}).get("proxy") or {}).get("proxyVersion") or ""))
        yield from _of_match(str(entry["applyTo"]), entry.get("match") or {})
        yield from _of_value(Patch.of(entry))


def _of_version(pattern: str) -> Iterator[str]:
    if len(pattern) <= _LONGEST_VERSION:
        try:
            re2.compile(pattern)
        except re2.error as error:
            yield f"invalid regex for proxy version, [error parsing regexp: {error}]"


def _of_match(applies_to: str, match: Given) -> Iterator[str]:
    given = [name for name in MATCHES if match.get(name) is not None]
    if applies_to in _OF_LISTENERS:
        if given and "listener" not in given:
            yield "applyTo for listener class objects cannot have non listener match"
            return
        wanted = ((match.get("listener") or {}).get("filterChain") or {}).get("filter")
        if wanted is not None:
            yield from _of_filter(applies_to, wanted)
    elif applies_to in _OF_ROUTES and given and "routeConfiguration" not in given:
        yield "applyTo for http route class objects cannot have non route configuration match"
    elif applies_to == "CLUSTER" and given and "cluster" not in given:
        yield "applyTo for cluster class objects cannot have non cluster match"


def _of_filter(applies_to: str, wanted: Given) -> Iterator[str]:
    if not wanted.get("name"):
        yield "filter match has no name to match on"
        return
    within = wanted.get("subFilter")
    if within is None:
        return
    if applies_to != "HTTP_FILTER":
        yield "subfilter match can be used with applyTo HTTP_FILTER only"
    elif wanted["name"] not in (MANAGER, "envoy.http_connection_manager"):
        yield f"subfilter match requires filter match with {MANAGER}"
    elif not within.get("name"):
        yield "subfilter match has no name to match on"


def _of_value(patch: Patch) -> Iterator[str]:
    """What Envoy would not take of it; what is merged may leave out what its target has."""
    if patch.apply_to in MESSAGES and patch.operation != "REMOVE":
        problem = problem_of(patch.apply_to, patch.value, whole=patch.operation != "MERGE")
        if problem:
            yield f"Envoy can't take it: {problem}"


def _warnings(number: int, entry: Given, report: Report) -> None:
    match = entry.get("match") or {}
    if len(str((match.get("proxy") or {}).get("proxyVersion") or "")) > _LONGEST_VERSION:
        report.warning(
            f"Envoy filter: proxyVersion match exceeds {_LONGEST_VERSION} characters and will be ignored"
        )
    wanted = ((match.get("listener") or {}).get("filterChain") or {}).get("filter")
    if wanted is not None and entry["applyTo"] in _NOT_FILTERS:
        report.warning(f"Envoy filter: filter match has no effect when used with {entry['applyTo']}")
    for name in (str((wanted or {}).get("name") or ""), _sub_filter_name(wanted or {})):
        if name in _DEPRECATED:
            current = quoted(_DEPRECATED[name])
            report.warning(f"using deprecated filter name {quoted(name)}; use {current} instead")
    for field, words in not_done(entry):
        report.ineffective(f"spec.configPatches[{number}].{field}", words)
    danger = _danger_of(Patch.of(entry))
    if danger:
        words = f"{danger}, which no manifest may do here; this patch has no effect"
        report.ineffective(f"spec.configPatches[{number}].patch.value", words)


def _danger_of(patch: Patch) -> str:
    if patch.apply_to not in MESSAGES or patch.operation == "REMOVE":
        return ""
    return danger_of(patch.apply_to, patch.value)


def _sub_filter_name(wanted: Given) -> str:
    return str((wanted.get("subFilter") or {}).get("name") or "")


_HTTP = ("buffer", "cors", "csrf", "fault", "grpc_web", "gzip", "health_check", "ip_tagging", "lua", "router")
_LISTENER = ("http_inspector", "original_dst", "original_src", "proxy_protocol", "tls_inspector")
_NETWORK = (
    "client_ssl_auth",
    "http_connection_manager",
    "mongo_proxy",
    "ratelimit",
    "redis_proxy",
    "tcp_proxy",
)
_DEPRECATED: Mapping[str, str] = {
    **{f"envoy.{each}": f"envoy.filters.http.{each}" for each in _HTTP},
    **{f"envoy.listener.{each}": f"envoy.filters.listener.{each}" for each in _LISTENER},
    **{f"envoy.{each}": f"envoy.filters.network.{each}" for each in _NETWORK},
    "envoy.http_dynamo_filter": "envoy.filters.http.dynamo",
    "envoy.rate_limit": "envoy.filters.http.ratelimit",
    "envoy.squash": "envoy.filters.http.squash",
    "envoy.ext_authz": "envoy.filters.network.ext_authz",
}
"""Names that Envoy's filters had → those they have."""
