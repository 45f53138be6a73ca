"""Istio's standard metrics (https://istio.io/latest/docs/reference/config/metrics/) from stock Envoy.

Istio's build of Envoy has a filter ``istio.stats``; the one that runs here has not. It has an access logger
that counts instead of writing (``envoy.access_loggers.stats``): counters and histograms in Envoy's own store,
with labels by format. So the numbers are the proxy's own, each one counted by the proxy that saw the request,
and stand on its own ``/stats/prometheus``. Its counters live in a scope that all listeners share by name:
they outlast a listener that is replaced.

That the names appear as ``istio_requests_total`` and not as ``envoy_…_istio_requests_total`` is done in
:mod:`labkit.embedded.mesh.bootstrap`. What differs from Istio's filter: bytes of a TCP connection are counted
when it ends (not every 15 s meanwhile), and gRPC messages are not counted one by one.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from labkit.embedded.mesh.telemetries import Metrics, Override
from labkit.embedded.mesh.translate.naming import typed
from labkit.embedded.mesh.translate.telemetry.peers import PEER, PROTOCOL, SERVICE
from labkit.embedded.mesh.workloads import HTTP_VARIABLE, UNKNOWN_VARIABLE, VARIABLES

NAMESPACE = "wasmcustom"
"""The prefix that Envoy takes off again before it shows a metric."""
Tags: TypeAlias = dict[str, str]
_Stats: TypeAlias = Mapping[str, tuple[str, dict[str, Any]]]
"""A metric's name in a Telemetry → which list of the logger it goes to, and its value."""

_LOGGER = "envoy.access_loggers.stats"
_SCOPE = {"prefix": NAMESPACE, "sharing_name": "istio"}
_CONNECTED, _ENDED = "TcpUpstreamConnected", "TcpConnectionEnd"
_VARIANTS = 64
"""How many kinds of loggers are kept: those of one are the same in every listener, and most of its size."""
_NEVER_CONNECTED = ["UF", "UH", "URX", "NC", "UPE", "DC"]


@functools.lru_cache(_VARIANTS)
def http_loggers(metrics: Metrics, *, server: bool, gateway: bool, mutual: bool) -> list[dict[str, Any]]:
    """The loggers of an HTTP connection manager. mutual: whether its callers have shown a certificate."""
    tags = _tags(server=server, gateway=gateway, mutual=mutual, http=True)
    found: _Stats = {
        "REQUEST_COUNT": ("counters", {"value_fixed": "1"}),
        "REQUEST_DURATION": ("histograms", {"unit": "Milliseconds", "value_format": "%DURATION%"}),
        "REQUEST_SIZE": ("histograms", _bytes("%DOWNSTREAM_WIRE_BYTES_RECEIVED%")),
        "RESPONSE_SIZE": ("histograms", _bytes("%DOWNSTREAM_WIRE_BYTES_SENT%")),
    }
    return _loggers(found, tags, metrics)


@functools.lru_cache(_VARIANTS)
def tcp_loggers(metrics: Metrics, *, server: bool, mutual: bool) -> list[dict[str, Any]]:
    """Those of a TCP proxy: one for a connection that is made, or never could be, one for the end of any."""
    tags = _tags(server=server, gateway=False, mutual=mutual, http=False)
    opened: _Stats = {"TCP_OPENED_CONNECTIONS": ("counters", {"value_fixed": "1"})}
    closed: _Stats = {
        "TCP_CLOSED_CONNECTIONS": ("counters", {"value_fixed": "1"}),
        "TCP_SENT_BYTES": ("counters", {"value_format": "%DOWNSTREAM_WIRE_BYTES_SENT%"}),
        "TCP_RECEIVED_BYTES": ("counters", {"value_format": "%DOWNSTREAM_WIRE_BYTES_RECEIVED%"}),
    }
    in_vain = {"response_flag_filter": {"flags": _NEVER_CONNECTED}}
    return [
        *_loggers(opened, tags, metrics, either(of_type(_CONNECTED), both(of_type(_ENDED), in_vain))),
        *_loggers(closed, tags, metrics, of_type(_ENDED)),
    ]


def of_type(*types: str, exclude: bool = False) -> dict[str, Any]:
    """The filter of a log that is written at these moments of a connection only."""
    return {"log_type_filter": {"types": list(types), **({"exclude": True} if exclude else {})}}


def not_while_open() -> dict[str, Any]:
    """The filter of a log that is not to be written when a connection has only been made."""
    return of_type(_CONNECTED, exclude=True)


def both(*filters: dict[str, Any]) -> dict[str, Any]:
    return filters[0] if len(filters) == 1 else {"and_filter": {"filters": list(filters)}}


def either(*filters: dict[str, Any]) -> dict[str, Any]:
    return {"or_filter": {"filters": list(filters)}}


METRICS: Mapping[str, str] = {
    "REQUEST_COUNT": "istio_requests_total",
    "REQUEST_DURATION": "istio_request_duration_milliseconds",
    "REQUEST_SIZE": "istio_request_bytes",
    "RESPONSE_SIZE": "istio_response_bytes",
    "TCP_OPENED_CONNECTIONS": "istio_tcp_connections_opened_total",
    "TCP_CLOSED_CONNECTIONS": "istio_tcp_connections_closed_total",
    "TCP_SENT_BYTES": "istio_tcp_sent_bytes_total",
    "TCP_RECEIVED_BYTES": "istio_tcp_received_bytes_total",
}
"""What a Telemetry calls them → what they are called where they are read."""


def _bytes(value: str) -> dict[str, Any]:
    return {"unit": "Bytes", "value_format": value}


def _loggers(
    found: _Stats,
    tags: Tags,
    metrics: Metrics,
    only: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    stats: dict[str, list[dict[str, Any]]] = {}
    for name, (kind, value) in found.items():
        override = metrics.overrides.get(name, Override())
        if not override.disabled:
            stat = {"name": METRICS[name], "tags": _stat_tags(tags, override)}
            stats.setdefault(kind, []).append({"stat": stat, **value})
    if not stats:
        return []
    # By structure, as the generated classes are older than this Envoy and know no shared scope.
    config = typed(
        "xds.type.v3.TypedStruct",
        type_url="type.googleapis.com/envoy.extensions.access_loggers.stats.v3.Config",
        value={"stats_scope": _SCOPE, **stats},
    )
    return [{"name": _LOGGER, "typed_config": config, **({"filter": only} if only else {})}]


def _stat_tags(tags: Tags, override: Override) -> Sequence[dict[str, str]]:
    asked = {name: cel(value) for name, value in override.tags.items() if value is not None}
    kept = {**tags, **asked}
    return [
        {"name": name, "value_format": value}
        for name, value in kept.items()
        if name not in override.tags or override.tags[name] is not None
    ]


_SPOKEN = (
    (re.compile(r"""_peer\.labels\[['"](app|version)['"]\](?:\.value)?"""), r"_peer.\1"),
    (re.compile(r"\bnode\."), "xds.node."),
    (re.compile(r"\bupstream_peer\."), f"xds.upstream_host_metadata.filter_metadata['{PEER}']."),
    (re.compile(r"\bdownstream_peer\."), f"metadata.filter_metadata['{PEER}']."),
)
"""Attributes that only Istio's filter knows, in Envoy's words."""


def cel(expression: str) -> str:
    """The format that prints what *expression* (CEL) comes to."""
    if (found := _AS_TEXT.fullmatch(expression)) and _is_balanced(found[1]):
        expression = found[1]  # a format makes text of anything, and knows no such function
    for pattern, text in _SPOKEN:
        expression = pattern.sub(text, expression)
    return f"%CEL({expression})%"


_AS_TEXT = re.compile(r"\s*string\((.*)\)\s*")


def _is_balanced(expression: str) -> bool:
    """Whether no parenthesis of *expression* belongs to one outside of it."""
    depths = list(itertools.accumulate({"(": 1, ")": -1}.get(each, 0) for each in expression))
    return min(depths, default=0) >= 0


def _either(*operators: tuple[str, str]) -> str:
    """The first of *operators* that has a value; ``unknown`` where none has."""
    told = [{"command": name, **({"param": param} if param else {})} for name, param in operators]
    unknown = {"command": "ENVIRONMENT", "param": UNKNOWN_VARIABLE}
    return f"%COALESCE({json.dumps({'operators': [*told, unknown]})})%"


_OWN = {name: f"%ENVIRONMENT({variable})%" for name, variable in VARIABLES.items()}
_UNKNOWN = "unknown"
_ROUTED = (
    "xds.route_name == 'block_all' ? 'BlackHoleCluster' : "
    "xds.route_name == 'allow_any' ? 'PassthroughCluster' : request.host"
)


def _tags(*, server: bool, gateway: bool, mutual: bool, http: bool) -> Tags:
    side = _server_tags(mutual=mutual, http=http) if server else _client_tags(gateway=gateway, http=http)
    return {
        "reporter": "destination" if server else "source",
        **{name: side[name] for name in _ORDER},
        **(_HTTP if http else {"request_protocol": "tcp"}),
        "response_flags": "%RESPONSE_FLAGS%",
        "connection_security_policy": ("mutual_tls" if mutual else "none") if server else _UNKNOWN,
    }


_NAMED = {
    "workload": "workload",
    "canonical_service": "service",
    "canonical_revision": "revision",
    "workload_namespace": "namespace",
    "app": "app",
    "version": "version",
    "cluster": "cluster",
}
"""A label's name without its side → the workload's field."""
_ORDER = (
    *(f"source_{name}" for name in ("workload", "canonical_service", "canonical_revision")),
    *(f"source_{name}" for name in ("workload_namespace", "principal", "app", "version", "cluster")),
    *(f"destination_{name}" for name in ("workload", "workload_namespace", "principal", "app", "version")),
    *(f"destination_{name}" for name in ("service", "canonical_service", "canonical_revision")),
    *(f"destination_{name}" for name in ("service_name", "service_namespace", "cluster")),
)
_HTTP = {
    "request_protocol": "%COALESCE("
    + json.dumps(
        {
            "operators": [
                {"command": "DYNAMIC_METADATA", "param": f"{PEER}:{PROTOCOL}"},
                {"command": "ENVIRONMENT", "param": HTTP_VARIABLE},
            ]
        }
    )
    + ")%",
    "response_code": "%RESPONSE_CODE%",
    "grpc_response_status": "%GRPC_STATUS_NUMBER%",
}


def _client_tags(*, gateway: bool, http: bool) -> Tags:
    def peer(field: str) -> str:
        return _either(("METADATA", f"UPSTREAM_HOST:{PEER}:{field}"))

    # A gateway does not take the host that somebody outside names for one of the mesh's.
    asked = [("REQ", ":authority")] if http and not gateway else []
    routed = [("CEL", _ROUTED)] if asked else []
    return {
        **{f"source_{name}": _OWN[field] for name, field in _NAMED.items()},
        "source_principal": _either(("UPSTREAM_LOCAL_URI_SAN", "")),
        **{f"destination_{name}": peer(field) for name, field in _NAMED.items()},
        "destination_principal": _either(("UPSTREAM_PEER_URI_SAN", "")),
        "destination_service": _either(("METADATA", f"CLUSTER:{SERVICE}:host"), *asked),
        "destination_service_name": _either(("METADATA", f"CLUSTER:{SERVICE}:name"), *routed),
        "destination_service_namespace": peer("namespace"),
    }


def _server_tags(*, mutual: bool, http: bool) -> Tags:
    def peer(field: str) -> str:
        return _either(("DYNAMIC_METADATA", f"{PEER}:{field}")) if http else _UNKNOWN

    own_service = {"command": "ENVIRONMENT", "param": VARIABLES["service"]}

    def service(field: str) -> str:
        told = {"command": "METADATA", "param": f"CLUSTER:{SERVICE}:{field}"}
        return f"%COALESCE({json.dumps({'operators': [told, own_service]})})%"

    return {
        **{f"source_{name}": peer(field) for name, field in _NAMED.items()},
        "source_principal": "%DOWNSTREAM_PEER_URI_SAN%" if mutual else _UNKNOWN,
        **{f"destination_{name}": _OWN[field] for name, field in _NAMED.items()},
        "destination_principal": "%DOWNSTREAM_LOCAL_URI_SAN%" if mutual else _UNKNOWN,
        "destination_service": service("host"),
        "destination_service_name": service("name"),
        "destination_service_namespace": _OWN["namespace"],
    }
