"""Tracing, as istiod configures it: spans to a zipkin or an OpenTelemetry collector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.telemetries import Tracing
from labkit.embedded.mesh.translate.naming import typed
from labkit.embedded.mesh.translate.telemetry.collectors import collector, grpc_service
from labkit.embedded.mesh.workloads import CANONICAL_NAME, CANONICAL_REVISION, CLUSTER_ID
from labkit.embedded.proxy_config import proxy_config

Settings = Mapping[str, Any]
_DEFAULT_SAMPLING = 1.0
_DRY_RUN = "istio_dry_run_{}_"


def tracing_of(state: MeshState, proxy: Proxy, asked: Tracing | None) -> dict[str, Any]:
    """The fields of a connection manager; none where no span is to be sent, or nobody is there to take it."""
    provider = None if asked is None else _provider(state, proxy, asked)
    if asked is None or provider is None:
        return {}
    own = _proxy_settings(state, proxy)
    sampling = _sampling(own) if asked.sampling is None else asked.sampling
    longest = asked.provider.settings.get("maxTagLength") or own.get("maxPathTagLength")
    tracing = {
        "client_sampling": {"value": 100},
        "overall_sampling": {"value": 100},
        "random_sampling": {"value": sampling},
        "custom_tags": sorted(_tags(state, proxy, asked, own), key=lambda each: str(each["tag"])),
        "provider": provider,
        **({"max_path_tag_length": int(longest)} if longest else {}),
        **({"spawn_upstream_span": True} if proxy.kind == "router" else {}),
        **({"no_context_propagation": True} if asked.no_propagation else {}),
    }
    return {"tracing": tracing, **_request_id(asked)}


def _request_id(asked: Tracing) -> dict[str, Any]:
    kind = "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig"
    config = typed(kind, use_request_id_for_trace_sampling=asked.use_request_id)
    return {"request_id_extension": {"typed_config": config}}


def _proxy_settings(state: MeshState, proxy: Proxy) -> Settings:
    """``tracing`` of the proxy's own settings, over the mesh's ``defaultConfig``."""
    pod = state.pod_of(proxy)
    own = proxy_config(pod) if pod else {}
    return own.get("tracing") or state.mesh.default_config.get("tracing") or {}


def _sampling(settings: Settings) -> float:
    asked = float(settings.get("sampling") or 0.0) or _DEFAULT_SAMPLING
    return asked if asked <= 100 else _DEFAULT_SAMPLING


def _provider(state: MeshState, proxy: Proxy, asked: Tracing) -> dict[str, Any] | None:
    match asked.provider.kind:
        case "zipkin":
            return _zipkin(state, asked.provider.settings)
        case "opentelemetry":
            return _opentelemetry(state, proxy, asked.provider.settings)
    return None


def _zipkin(state: MeshState, settings: Settings) -> dict[str, Any] | None:
    found = collector(state, settings)
    if found is None:
        return None
    host, cluster = found
    path = settings.get("path") or "/api/v2/spans"
    service = _http_service(f"http://{host}{path}", cluster, settings, timeout="5s")
    config = typed(
        "envoy.config.trace.v3.ZipkinConfig",
        collector_service=service,
        collector_endpoint_version="HTTP_JSON",
        trace_id_128bit=not settings.get("enable64bitTraceId"),
        shared_span_context=False,
        trace_context_option=settings.get("traceContextOption") or "USE_B3",
    )
    return {"name": "envoy.tracers.zipkin", "typed_config": config}


def _opentelemetry(state: MeshState, proxy: Proxy, settings: Settings) -> dict[str, Any] | None:
    found = collector(state, settings)
    if found is None:
        return None
    host, cluster = found
    http = settings.get("http")
    if http is not None:
        uri = f"{host}/{str(http.get('path') or '').lstrip('/')}"
        fields: dict[str, Any] = {"http_service": _http_service(uri, cluster, http)}
    else:
        fields = {
            "grpc_service": {**(grpc_service(state, settings) or {}), **_call(settings.get("grpc") or {})}
        }
    detectors = [
        {"name": f"envoy.tracers.opentelemetry.resource_detectors.{name}", "typed_config": typed(kind)}
        for name, kind in _DETECTORS.items()
        if (settings.get("resourceDetectors") or {}).get(name) is not None
    ]
    config = typed(
        "envoy.config.trace.v3.OpenTelemetryConfig",
        service_name=_cluster_of(state, proxy),
        **fields,
        **({"resource_detectors": detectors} if detectors else {}),
    )
    return {"name": "envoy.tracers.opentelemetry", "typed_config": config}


_RESOURCES = "envoy.extensions.tracers.opentelemetry.resource_detectors.v3"
_DETECTORS = {
    "environment": f"{_RESOURCES}.EnvironmentResourceDetectorConfig",
    "dynatrace": f"{_RESOURCES}.DynatraceResourceDetectorConfig",
}


def _cluster_of(state: MeshState, proxy: Proxy) -> str:
    """``node.cluster`` of *proxy*: what it calls itself in a span."""
    labels = state.labels_of(proxy)
    app = labels.get("app") or labels.get("app.kubernetes.io/name") or "istio-proxy"
    return f"{app}.{proxy.namespace}"


def _call(settings: Settings) -> dict[str, Any]:
    """How spans are sent by gRPC."""
    wait = settings.get("timeout")
    metadata = [_header(each) for each in settings.get("initialMetadata") or []]
    return {**({"timeout": wait} if wait else {}), **({"initial_metadata": metadata} if metadata else {})}


def _header(setting: Settings) -> dict[str, str]:
    return {"key": str(setting.get("name")), "value": str(setting.get("value") or "")}


def _http_service(uri: str, cluster: str, settings: Settings, timeout: str = "") -> dict[str, Any]:
    wait = settings.get("timeout") or timeout
    target = {"uri": uri, "cluster": cluster, **({"timeout": wait} if wait else {})}
    headers = [
        {"header": _header(each), "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        for each in settings.get("headers") or []
    ]
    return {"http_uri": target, **({"request_headers_to_add": headers} if headers else {})}


def _tags(state: MeshState, proxy: Proxy, asked: Tracing, own: Settings) -> Iterator[dict[str, Any]]:
    if asked.istio_tags:
        labels = state.labels_of(proxy)
        said = {
            "istio.canonical_revision": labels.get(CANONICAL_REVISION) or "latest",
            "istio.canonical_service": labels.get(CANONICAL_NAME) or "unknown",
            "istio.mesh_id": str(proxy.metadata.get("MESH_ID") or "unknown"),
            "istio.namespace": proxy.namespace,
            "istio.cluster_id": str(proxy.metadata.get("CLUSTER_ID") or CLUSTER_ID),
        }
        yield from ({"tag": tag, "literal": {"value": value}} for tag, value in said.items())
        yield from map(_dry_run_tag, ("allow", "deny"), ("name", "name"))
        yield from map(_dry_run_tag, ("allow", "deny"), ("result", "result"))
    tags = asked.custom_tags or own.get("customTags") or {}
    yield from (_custom_tag(str(name), each) for name, each in tags.items())


_SHADOW = {"name": "shadow_effective_policy_id", "result": "shadow_engine_result"}


def _dry_run_tag(policy: str, what: str) -> dict[str, Any]:
    """What a dry-run AuthorizationPolicy would have done."""
    key = {"key": "envoy.filters.http.rbac", "path": [{"key": _DRY_RUN.format(policy) + _SHADOW[what]}]}
    tag = f"istio.authorization.dry_run.{policy}_policy.{what}"
    return {"tag": tag, "metadata": {"kind": {"request": {}}, "metadata_key": key}}


def _custom_tag(name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """A tag of a Telemetry or a ProxyConfig: ``literal``, ``environment``, ``header`` or ``formatter``."""
    for kind, field in (("environment", "environment"), ("header", "request_header")):
        if kind in said:
            found = {"name": said[kind].get("name") or ""}
            if "defaultValue" in said[kind]:
                found["default_value"] = said[kind]["defaultValue"]
            return {"tag": name, field: found}
    if "formatter" in said:
        return {"tag": name, "value": said["formatter"].get("value") or ""}
    return {"tag": name, "literal": {"value": (said.get("literal") or {}).get("value") or ""}}
