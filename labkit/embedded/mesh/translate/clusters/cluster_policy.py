"""A DestinationRule's traffic policy as fields of an Envoy cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labkit.embedded.mesh.durations import proto, seconds
from labkit.embedded.mesh.services import ServicePort
from labkit.embedded.mesh.translate.naming import typed, without_empty

UNLIMITED = 4294967295
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
LEAST_REQUEST, ROUND_ROBIN = "LEAST_REQUEST", "ROUND_ROBIN"
ORIGINAL_DESTINATION = {"type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED"}

Policy = Mapping[str, Any]
_ALGORITHMS = {
    "LEAST_REQUEST": LEAST_REQUEST,
    "LEAST_CONN": LEAST_REQUEST,
    "ROUND_ROBIN": ROUND_ROBIN,
    "RANDOM": "RANDOM",
}


def is_passthrough(policy: Policy) -> bool:
    """Whether the caller's own choice of address holds (``simple: PASSTHROUGH``)."""
    return (policy.get("loadBalancer") or {}).get("simple") == "PASSTHROUGH"


def load_balancing(policy: Policy) -> dict[str, Any]:
    """``lb_policy`` and its settings."""
    given = policy.get("loadBalancer") or {}
    if given.get("consistentHash"):
        return _consistent_hash(given["consistentHash"])
    algorithm = _ALGORITHMS.get(str(given.get("simple") or ""), LEAST_REQUEST)
    fields: dict[str, Any] = {"lb_policy": algorithm}
    warmup = _warmup(given)
    if warmup and algorithm in (LEAST_REQUEST, ROUND_ROBIN):
        fields[f"{algorithm.lower()}_lb_config"] = {"slow_start_config": warmup}
    return fields


def _consistent_hash(given: Policy) -> dict[str, Any]:
    if given.get("maglev") is not None:
        size = int(given["maglev"].get("tableSize") or 0)
        table = {"maglev_lb_config": {"table_size": size}} if size else {}
        return {"lb_policy": "MAGLEV", **table}
    ring = (given.get("ringHash") or {}).get("minimumRingSize") or given.get("minimumRingSize") or 1024
    return {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": str(int(ring))}}


def _warmup(given: Policy) -> dict[str, Any] | None:
    if given.get("warmupDurationSecs"):
        return {"slow_start_window": proto(given["warmupDurationSecs"])}
    warmup = given.get("warmup") or {}
    if not warmup.get("duration"):
        return None
    fields: dict[str, Any] = {"slow_start_window": proto(warmup["duration"])}
    if warmup.get("aggression"):
        fields["aggression"] = {"default_value": float(warmup["aggression"]), "runtime_key": ""}
    if warmup.get("minimumPercent"):
        fields["min_weight_percent"] = {"value": float(warmup["minimumPercent"])}
    return fields


def connection_pool(policy: Policy, connect_timeout: str) -> dict[str, Any]:
    """Circuit breakers, connect timeout and keep-alive; zero anywhere means unset."""
    pool = policy.get("connectionPool") or {}
    tcp, http = pool.get("tcp") or {}, pool.get("http") or {}
    limits = {
        "max_connections": tcp.get("maxConnections"),
        "max_pending_requests": http.get("http1MaxPendingRequests"),
        "max_requests": http.get("http2MaxRequests"),
        "max_retries": http.get("maxRetries"),
    }
    thresholds = [{name: int(value or UNLIMITED) for name, value in limits.items()}]
    keepalive = _keepalive(tcp.get("tcpKeepalive"))
    fields: dict[str, Any] = {
        "connect_timeout": proto(tcp.get("connectTimeout") or connect_timeout),
        "circuit_breakers": {"thresholds": thresholds},
    }
    return fields | ({"upstream_connection_options": {"tcp_keepalive": keepalive}} if keepalive else {})


def _keepalive(given: Policy | None) -> dict[str, Any]:
    def whole(text: str | None) -> int | None:
        return int(seconds(text)) if text else None

    given = given or {}
    return without_empty(
        {
            "keepalive_probes": int(given["probes"]) if given.get("probes") else None,
            "keepalive_time": whole(given.get("time")),
            "keepalive_interval": whole(given.get("interval")),
        }
    )


def protocol_options(
    policy: Policy, port: ServicePort, *, detects: bool = True, upstream: Policy | None = None
) -> dict[str, Any]:
    """``typed_extension_protocol_options``: the upstream protocol and limits of its connections.

    *detects*: whether the proxy finds out its caller's protocol where the port names none.
    *upstream*: ``upstream_http_protocol_options``, where there are any.
    """
    http = _http_options(policy.get("connectionPool") or {}, port, detects, upstream or {})
    return {"typed_extension_protocol_options": {HTTP_OPTIONS: typed(HTTP_OPTIONS, **http)}} if http else {}


def _http_options(pool: Policy, port: ServicePort, detects: bool, upstream: Policy) -> dict[str, Any]:
    common = without_empty(
        {
            "common_http_protocol_options": _common_http_options(pool),
            "upstream_http_protocol_options": upstream,
        }
    )
    protocol = _protocol(pool.get("http") or {}, port, detects)
    if not common and protocol is None:
        return {}
    plain: dict[str, Any] = {"explicit_http_config": {"http_protocol_options": {}}}
    return {**(protocol or plain), **common}


def _common_http_options(pool: Policy) -> dict[str, Any]:
    http, tcp = pool.get("http") or {}, pool.get("tcp") or {}
    idle, longest = http.get("idleTimeout") or tcp.get("idleTimeout"), tcp.get("maxConnectionDuration")
    return without_empty(
        {
            "max_requests_per_connection": int(http.get("maxRequestsPerConnection") or 0) or None,
            "idle_timeout": proto(idle) if idle else None,
            "max_connection_duration": proto(longest) if longest else None,
        }
    )


def _protocol(http: Policy, port: ServicePort, detects: bool) -> dict[str, Any] | None:
    """HTTP/2 where the port or ``h2UpgradePolicy`` says so, the caller's where it is detected, else None."""
    streams = int(http.get("maxConcurrentStreams") or 0)
    http2 = {"http2_protocol_options": {"max_concurrent_streams": streams} if streams else {}}
    detected = detects and port.is_auto and http.get("h2UpgradePolicy") != "UPGRADE"
    if http.get("useClientProtocol") or detected:
        return {"use_downstream_protocol_config": {"http_protocol_options": {}, **http2}}
    if port.is_http2 or (port.may_be_http and http.get("h2UpgradePolicy") == "UPGRADE"):
        return {"explicit_http_config": http2}
    return None


def outlier_detection(policy: Policy) -> dict[str, Any]:
    """``outlier_detection``, and with it the panic threshold: istiod's default is to never panic then."""
    given = policy.get("outlierDetection")
    if given is None:
        return {}
    found: dict[str, Any] = {"enforcing_success_rate": 0}
    found |= _consecutive(given, ("consecutive5xxErrors", "consecutiveErrors"), "consecutive_5xx")
    found |= _consecutive(given, ("consecutiveGatewayErrors",), "consecutive_gateway_failure")
    for field, name in (("interval", "interval"), ("baseEjectionTime", "base_ejection_time")):
        found |= {name: proto(given[field])} if given.get(field) else {}
    if given.get("maxEjectionPercent"):
        found["max_ejection_percent"] = int(given["maxEjectionPercent"])
    if given.get("splitExternalLocalOriginErrors"):
        found |= {"split_external_local_origin_errors": True, "enforcing_local_origin_success_rate": 0}
        if given.get("consecutiveLocalOriginFailures"):
            fields = ("consecutiveLocalOriginFailures",)
            found |= _consecutive(given, fields, "consecutive_local_origin_failure")
    panic = {"healthy_panic_threshold": {"value": float(given.get("minHealthPercent") or 0)}}
    return {"outlier_detection": found, "common_lb_config": panic}


def _consecutive(given: Policy, fields: tuple[str, ...], name: str) -> dict[str, int]:
    number = next((int(given[field]) for field in fields if given.get(field) is not None), None)
    if number is None:
        return {}
    return {name: number, f"enforcing_{name}": 100 if number else 0}
