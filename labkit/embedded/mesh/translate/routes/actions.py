"""What a VirtualService's rule does instead of, or besides, passing a request on."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from labkit.embedded.mesh.durations import proto, seconds
from labkit.embedded.mesh.translate.naming import typed, without_empty
from labkit.embedded.mesh.translate.routes.matches import string_match

FAULT = "envoy.filters.http.fault"
CORS = "envoy.filters.http.cors"

REDIRECT_CODES = {
    301: "MOVED_PERMANENTLY",
    302: "FOUND",
    303: "SEE_OTHER",
    307: "TEMPORARY_REDIRECT",
    308: "PERMANENT_REDIRECT",
}
_DEFAULT_PORTS = {"http": 80, "https": 443}

Given = Mapping[str, Any]


def redirect(given: Given, port: int) -> dict[str, Any] | None:
    """``RedirectAction``; None for a code Envoy has no word for. *port*: the listener's or server's."""
    code = int(given.get("redirectCode") or 301)
    if code not in REDIRECT_CODES:
        return None
    action: dict[str, Any] = without_empty(
        {
            "host_redirect": given.get("authority"),
            "path_redirect": given.get("uri"),
            "scheme_redirect": given.get("scheme"),
        }
    )
    to_port = port if given.get("derivePort") == "FROM_REQUEST_PORT" else int(given.get("port") or 0)
    if to_port and to_port != _DEFAULT_PORTS.get(given.get("scheme") or "http"):
        action["port_redirect"] = to_port
    return {**action, "response_code": REDIRECT_CODES[code]}


def direct_response(given: Given) -> dict[str, Any]:
    """``DirectResponseAction``."""
    body = given.get("body") or {}
    response: dict[str, Any] = {"status": int(given.get("status") or 0)}
    if "string" in body:
        response["body"] = {"inline_string": body["string"]}
    elif "bytes" in body:
        response["body"] = {"inline_bytes": base64.b64encode(base64.b64decode(body["bytes"])).decode()}
    return response


def per_filter_config(rule: Given) -> dict[str, Any]:
    """``typed_per_filter_config`` of a route: its fault and its CORS policy."""
    config: dict[str, Any] = {}
    injected = _fault(rule.get("fault") or {})
    if injected:
        config[FAULT] = injected
    if rule.get("corsPolicy"):
        config[CORS] = _cors(rule["corsPolicy"])
    return config


def _fault(given: Given) -> dict[str, Any] | None:
    parts = without_empty(
        {"delay": _delay(given.get("delay") or {}), "abort": _abort(given.get("abort") or {})}
    )
    return typed("envoy.extensions.filters.http.fault.v3.HTTPFault", **parts) if parts else None


def _delay(given: Given) -> dict[str, Any] | None:
    if not given.get("fixedDelay"):
        return None
    old = {"numerator": int(given.get("percent") or 0), "denominator": "HUNDRED"}
    share = fraction(given["percentage"]) if given.get("percentage") else old
    return {"fixed_delay": proto(given["fixedDelay"]), "percentage": share}


_GRPC_STATUS = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE"),
    *("UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)


def grpc_status(name: str) -> int | None:
    """The number of a gRPC status name; None where there is no such status."""
    return _GRPC_STATUS.index(name) if name in _GRPC_STATUS else None


def _abort(given: Given) -> dict[str, Any] | None:
    # No percentage means none: Envoy then never aborts, and neither does a real mesh.
    share = {"percentage": fraction(given["percentage"])} if given.get("percentage") else {}
    if given.get("httpStatus"):
        return {"http_status": int(given["httpStatus"]), **share}
    number = grpc_status(str(given.get("grpcStatus") or ""))
    return {"grpc_status": number, **share} if number is not None else None


def fraction(percentage: Given) -> dict[str, Any]:
    """Istio's ``Percent`` as Envoy's ``FractionalPercent``, in millionths."""
    return {"numerator": round(float(percentage.get("value") or 0) * 10_000), "denominator": "MILLION"}


_ALWAYS = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}


def _cors(given: Given) -> dict[str, Any]:
    origins = [string_match(each) or {"prefix": ""} for each in given.get("allowOrigins") or []]
    origins = origins or [{"exact": origin} for origin in given.get("allowOrigin") or []]
    forwards = given.get("unmatchedPreflights") != "IGNORE"
    fields = {
        "allow_origin_string_match": origins,
        "filter_enabled": _ALWAYS,
        "allow_methods": ",".join(given.get("allowMethods") or []),
        "allow_headers": ",".join(given.get("allowHeaders") or []),
        "expose_headers": ",".join(given.get("exposeHeaders") or []),
        "max_age": str(int(seconds(given["maxAge"]))) if given.get("maxAge") else "",
        "allow_credentials": given.get("allowCredentials"),
        "forward_not_matching_preflights": forwards,
    }
    return typed("envoy.extensions.filters.http.cors.v3.CorsPolicy", **without_empty(fields))
