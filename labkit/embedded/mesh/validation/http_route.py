"""Istio's rules for one entry of a VirtualService's ``http``."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

from labkit.embedded.mesh.durations import seconds
from labkit.embedded.mesh.security.claims import routing_claim
from labkit.embedded.mesh.translate.routes.actions import REDIRECT_CODES, grpc_status
from labkit.embedded.mesh.validation import common
from labkit.embedded.mesh.validation.common import Given
from labkit.embedded.mesh.validation.destinations import (
    HEADER_NAME,
    check_destinations,
    destination,
    header_operations,
)
from labkit.embedded.mesh.validation.regex import regex
from labkit.embedded.mesh.validation.report import Report, quoted

_PSEUDO_HEADERS = frozenset({":method", ":scheme", ":authority", ":path", ":status"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"})
_STATUS_CODES = frozenset(int(status) for status in HTTPStatus)
RETRY_CONDITIONS = frozenset(
    (
        *("5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "retriable-4xx"),
        *("refused-stream", "retriable-status-codes", "retriable-headers", "envoy-ratelimited"),
        *("http3-post-connect-failure", "cancelled", "deadline-exceeded", "internal"),
        *("resource-exhausted", "unavailable"),
    )
)
_LARGE, _TOO_LARGE = 100 * 1024, 1024 * 1024


def check_http_route(rule: Given, path: str, report: Report, *, is_delegate: bool) -> None:
    report.errors_from(_actions(rule, is_delegate=is_delegate))
    report.errors_from(_matches(rule))
    report.errors_from(header_operations(rule.get("headers") or {}))
    report.errors_from(_cors(rule.get("corsPolicy") or {}))
    if rule.get("fault") is not None:
        report.errors_from(_fault(rule["fault"]))
    report.errors_from(_mirrors(rule))
    report.errors_from(_redirect(rule.get("redirect")))
    report.errors_from(_direct_response(rule.get("directResponse")))
    report.errors_from(_retries(rule.get("retries")))
    report.errors_from(_rewrite(rule))
    report.errors_from(check_destinations(rule.get("route") or []))
    report.errors_from(common.duration(rule.get("timeout")))
    for warning in (*_warnings(rule), *common.legacy_gateway_names(_gateways(rule))):
        report.warning(warning)
    _not_built(rule, path, report)


def _gateways(rule: Given) -> list[str]:
    return [gateway for match in rule.get("match") or [] for gateway in match.get("gateways") or []]


def _actions(rule: Given, *, is_delegate: bool) -> Iterator[str]:
    if rule.get("delegate") and not is_delegate:
        yield from _root(rule)
        return
    if rule.get("delegate"):
        yield "delegate HTTP route cannot contain delegate"
    redirect, direct = rule.get("redirect") is not None, rule.get("directResponse") is not None
    if redirect:
        yield from _alone(rule, "redirect")
        if direct:
            yield "HTTP route rule cannot contain both direct_response and redirect"
    elif direct:
        yield from _alone(rule, "direct_response")
    elif not rule.get("route"):
        yield "HTTP route, redirect or direct_response is required"
    if rule.get("mirror") is not None and rule.get("mirrors"):
        yield "HTTP route cannot contain both mirror and mirrors"


def _root(rule: Given) -> Iterator[str]:
    for field in ("redirect", "route"):
        if rule.get(field) is not None:
            yield f"root HTTP route {rule.get('name', '')} must not specify {field}"


def _alone(rule: Given, action: str) -> Iterator[str]:
    if rule.get("route"):
        yield f"HTTP route cannot contain both route and {action}"
    if rule.get("fault") is not None:
        yield f"HTTP route cannot contain both fault and {action}"
    if rule.get("rewrite") is not None:
        yield f"HTTP route rule cannot contain both rewrite and {action}"


def _matches(rule: Given) -> Iterator[str]:
    for match in rule.get("match") or []:
        yield from _headers(match)
        yield from common.string_match(match.get("uri"), "uri", empty_prefix=True)
        for field in ("scheme", "method", "authority"):
            yield from common.string_match(match.get(field), field)
        for parameter in (match.get("queryParams") or {}).values():
            yield from _present_or_match(parameter, "queryParams")
    for match in rule.get("match") or []:
        yield from _source(match)


def _headers(match: Given) -> Iterator[str]:
    for name, header in (match.get("headers") or {}).items():
        if header is None:
            yield f"header match {name} cannot be null"
        yield from _header_name(name)
        yield from _present_or_match(header, "headers")
    for name, header in (match.get("withoutHeaders") or {}).items():
        yield from _header_name(name)
        yield from _present_or_match(header, "withoutHeaders")


def _present_or_match(match: Given | None, where: str) -> Iterator[str]:
    # The regex "*" is none: it asks for presence.
    if (match or {}).get("regex") != "*":
        yield from common.string_match(match, where)


def _header_name(name: str) -> Iterator[str]:
    if not name:
        yield "header name cannot be empty"
    elif routing_claim(name) is None and name not in _PSEUDO_HEADERS and not HEADER_NAME.fullmatch(name):
        yield f"header name {name} is not a valid header name"


def _source(match: Given) -> Iterator[str]:
    if match.get("port"):
        yield from common.port(match["port"])
    yield from common.labels(match.get("sourceLabels"))
    yield from common.gateway_names(match.get("gateways") or [])
    namespace = match.get("sourceNamespace")
    if namespace and not common.is_label(namespace):
        yield f"sourceNamespace match {namespace} is invalid"


def _cors(policy: Given) -> Iterator[str]:
    for origin in policy.get("allowOrigins") or []:
        if not any(origin.get(kind) for kind in ("exact", "prefix", "regex")):
            yield "'' is not a valid match type for CORS allow origins"
        elif origin.get("regex"):
            yield from regex(origin["regex"], "corsPolicy.allowOrigins")
    for method in policy.get("allowMethods") or []:
        if method not in _METHODS:
            yield f"{quoted(method)} is not a supported HTTP method"
    for field in ("allowHeaders", "exposeHeaders"):
        for name in policy.get(field) or []:
            yield from _cors_header(name)
    age = list(common.duration(policy.get("maxAge")))
    yield from age
    if policy.get("maxAge") and not age and seconds(policy["maxAge"]) % 1:
        yield "max_age duration is accurate only to seconds precision"


def _cors_header(name: str) -> Iterator[str]:
    if not name:
        yield "header name cannot be empty"
    elif name != "*" and not HEADER_NAME.fullmatch(name):
        yield f"header name {name} is not a valid header name"


def _fault(fault: Given) -> Iterator[str]:
    abort, delay = fault.get("abort"), fault.get("delay")
    if abort is None and delay is None:
        yield "HTTP fault injection must have an abort and/or a delay"
    yield from _abort(abort or {})
    yield from common.percentage((delay or {}).get("percentage"))
    yield from common.duration((delay or {}).get("fixedDelay"))
    if (delay or {}).get("exponentialDelay"):
        yield from common.duration((delay or {})["exponentialDelay"])
        yield "exponentialDelay not supported yet"


def _abort(abort: Given) -> Iterator[str]:
    yield from common.percentage(abort.get("percentage"))
    if abort.get("grpcStatus") is not None:
        if grpc_status(str(abort["grpcStatus"])) is None:
            yield (
                f"gRPC status {quoted(abort['grpcStatus'])} is not supported. See "
                "https://github.com/grpc/grpc/blob/master/doc/statuscodes.md "
                "for a list of supported codes, for example 'NOT_FOUND'"
            )
    elif abort.get("http2Error") is not None:
        yield "HTTP/2 abort fault injection not supported yet"
    elif abort.get("httpStatus") is not None:
        yield from _status(int(abort["httpStatus"]))


def _status(status: int) -> Iterator[str]:
    if not 200 <= status <= 600:  # istiod lets 600 through
        yield f"HTTP status {status} is not in range 200-599"


def _mirrors(rule: Given) -> Iterator[str]:
    if int(rule.get("mirrorPercent") or 0) > 100:
        yield f"mirror_percent must have a max value of 100 (it has {rule['mirrorPercent']})"
    yield from _share(rule.get("mirrorPercentage"), "mirror_percentage")
    yield from destination(rule.get("mirror"))
    for mirror in rule.get("mirrors") or []:
        if not mirror.get("destination"):
            yield "destination is required for mirrors"
            continue
        yield from destination(mirror["destination"])
        yield from _share(mirror.get("percentage"), "mirror percentage")


def _share(percentage: Given | None, name: str) -> Iterator[str]:
    value = float((percentage or {}).get("value") or 0)
    if value > 100:
        yield f"{name} must have a max value of 100 (it has {value:f})"
    if value < 0:
        yield f"{name} must have a min value of 0 (it has {value:f})"


def _redirect(given: Given | None) -> Iterator[str]:
    if given is None:
        return
    code = int(given.get("redirectCode") or 0)
    if not any(given.get(field) for field in ("uri", "authority", "scheme", "port", "derivePort")):
        yield "redirect must specify URI, authority, scheme, or port"
    elif code and not 300 <= code <= 399:
        yield f"{code} is not a valid redirect code, must be 3xx"
    elif given.get("scheme") and given["scheme"] not in ("http", "https"):
        yield 'invalid redirect scheme, must be "http" or "https"'
    elif given.get("port"):
        yield from common.port(given["port"])


def _direct_response(given: Given | None) -> Iterator[str]:
    if given is None:
        return
    if _body_size(given) > _TOO_LARGE:
        yield "large direct_responses may impact control plane performance, must be less than 1MB"
    yield from _status(int(given.get("status") or 0))


def _body_size(given: Given) -> int:
    body = given.get("body") or {}
    return len(str(body.get("string") or "").encode()) or len(str(body.get("bytes") or "")) * 3 // 4


def _retries(given: Given | None) -> Iterator[str]:
    if given is None:
        return
    attempts = int(given.get("attempts") or 0)
    if attempts < 0:
        yield "attempts cannot be negative"
    others = any(given.get(field) for field in ("perTryTimeout", "retryOn"))
    if not attempts and (others or given.get("retryRemoteLocalities") is not None):
        yield "http retry policy configured when attempts are set to 0 (disabled)"
    yield from common.duration(given.get("perTryTimeout"))
    for condition in str(given.get("retryOn") or "").split(",") if given.get("retryOn") else ():
        known = condition in RETRY_CONDITIONS or (condition.isdecimal() and int(condition) in _STATUS_CODES)
        if not known:
            yield f"{quoted(condition)} is not a valid retryOn policy"
    yield from common.duration(given.get("backoff"))


def _rewrite(rule: Given) -> Iterator[str]:
    given = rule.get("rewrite")
    if given is not None:
        yield from _one_rewrite(given)
    yield from _one_authority(rule)


def _one_rewrite(given: Given) -> Iterator[str]:
    uri, pattern = given.get("uri"), given.get("uriRegexRewrite")
    if uri and pattern is not None:
        yield "rewrite may only contain one of URI or UriRegexRewrite"
    elif not uri and pattern is None and not given.get("authority"):
        yield (
            "rewrite must specify at least one of URI, UriRegexRewrite, or authority. "
            "Only one of URI or UriRegexRewrite may be specified"
        )
    elif pattern is not None:
        yield from (f"UriRegexRewrite has errors\n{problem}" for problem in _pattern(pattern))


def _pattern(pattern: Given) -> Iterator[str]:
    if not pattern.get("match") or not pattern.get("rewrite"):
        yield "UriRegexRewrite requires both Rewrite and Match fields to be specified"
    else:
        yield from regex(pattern["match"], "HTTPRewrite.UriRegexRewrite.Match")


def _one_authority(rule: Given) -> Iterator[str]:
    current = (rule.get("rewrite") or {}).get("authority") or ""
    request = (rule.get("headers") or {}).get("request") or {}
    for operation in ("set", "add"):
        for name, value in (request.get(operation) or {}).items():
            if name.lower() not in ("host", ":authority"):
                continue
            if current:
                have, new = quoted(current), quoted(value)
                yield f"authority header cannot be set multiple times: have {have}, attempting to set {new}"
                return
            current = value


def _warnings(rule: Given) -> Iterator[str]:
    """Istio's own."""
    if rule.get("mirrorPercent") is not None:
        yield 'using deprecated setting "mirrorPercent", use "mirrorPercentage" instead'
    if _LARGE < _body_size(rule.get("directResponse") or {}) <= _TOO_LARGE:
        yield "large direct_responses may impact control plane performance"
    abort = (rule.get("fault") or {}).get("abort")
    if abort is not None and not any(abort.get(kind) for kind in ("httpStatus", "grpcStatus", "http2Error")):
        yield "abort configured, but error type not set"


def _not_built(rule: Given, path: str, report: Report) -> None:
    """What no proxy will do."""
    code = int((rule.get("redirect") or {}).get("redirectCode") or 301)
    if 300 <= code <= 399 and code not in REDIRECT_CODES:
        report.ineffective(f"{path}.redirect.redirectCode", f"Envoy can't send {code}; the rule is left out")
