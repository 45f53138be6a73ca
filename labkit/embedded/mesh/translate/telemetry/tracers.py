"""The tracers that a connection manager may have: one for each kind of provider that takes spans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.telemetries import Provider
from labkit.embedded.mesh.translate.naming import typed
from labkit.embedded.mesh.translate.telemetry.collectors import collector, grpc_service
from labkit.embedded.mesh.workloads import workload_name
from labkit.embedded.objects import annotations_of

Settings = Mapping[str, Any]
_RESOURCES = "envoy.extensions.tracers.opentelemetry.resource_detectors.v3"
_DETECTORS = {
    "environment": f"{_RESOURCES}.EnvironmentResourceDetectorConfig",
    "dynatrace": f"{_RESOURCES}.DynatraceResourceDetectorConfig",
}
_DYNATRACE = "envoy.extensions.tracers.opentelemetry.samplers.v3.DynatraceSamplerConfig"
_SAMPLING_PATH = "api/v2/samplingConfiguration"
_CONVENTIONS = "OTEL_SEMANTIC_CONVENTIONS"


@dataclass(frozen=True)
class Tracer:
    """What sends spans."""

    provider: dict[str, Any]
    """In Envoy's terms."""
    samples: bool = False
    """Whether it chooses itself what is sent, and so has to be shown all."""
    always_spawns: bool = False
    """Whether it has a span of its own for what is asked of others, on a sidecar too."""


class NoTracerError(Exception):
    """The provider is not as it must be, or the service it names is nobody's."""


def tracer_of(state: MeshState, proxy: Proxy, provider: Provider) -> Tracer | None:
    """The tracer for *provider*; None where it takes no spans, or nobody is there to take them."""
    tracers = _Tracers(state, proxy, provider.settings)
    try:
        match provider.kind:
            case "zipkin":
                return tracers.zipkin()
            case "opentelemetry":
                return tracers.opentelemetry()
            case "datadog":
                return tracers.datadog()
            case "skywalking":
                return tracers.skywalking()
    except NoTracerError:
        return None
    return None


@dataclass(frozen=True)
class _Tracers:
    state: MeshState
    proxy: Proxy
    settings: Settings

    def zipkin(self) -> Tracer:
        host, cluster = self._collector(self.settings)
        path = self.settings.get("path") or "/api/v2/spans"
        config = typed(
            "envoy.config.trace.v3.ZipkinConfig",
            collector_service=self._http(f"http://{host}{path}", cluster, self.settings, timeout="5s"),
            collector_endpoint_version="HTTP_JSON",
            trace_id_128bit=not self.settings.get("enable64bitTraceId"),
            shared_span_context=False,
            trace_context_option=self.settings.get("traceContextOption") or "USE_B3",
        )
        return Tracer({"name": "envoy.tracers.zipkin", "typed_config": config})

    def datadog(self) -> Tracer:
        host, cluster = self._collector(self.settings)
        config = typed(
            "envoy.config.trace.v3.DatadogConfig",
            collector_cluster=cluster,
            collector_hostname=host,
            service_name=_cluster_of(self.state, self.proxy),
        )
        return Tracer({"name": "envoy.tracers.datadog", "typed_config": config})

    def skywalking(self) -> Tracer:
        self._collector(self.settings)
        service = grpc_service(self.state, self.settings)
        config = typed("envoy.config.trace.v3.SkyWalkingConfig", grpc_service=service)
        return Tracer({"name": "envoy.tracers.skywalking", "typed_config": config}, always_spawns=True)

    def opentelemetry(self) -> Tracer:
        sampler = self._sampler()
        detectors = list(self._detectors())
        config = typed(
            "envoy.config.trace.v3.OpenTelemetryConfig",
            service_name=self._service_name(),
            **self._exporter(),
            **({"resource_detectors": detectors} if detectors else {}),
            **({"sampler": sampler} if sampler else {}),
        )
        provider = {"name": "envoy.tracers.opentelemetry", "typed_config": config}
        return Tracer(provider, samples=sampler is not None)

    def _exporter(self) -> dict[str, Any]:
        host, cluster = self._collector(self.settings)
        http = self.settings.get("http")
        if http is not None:
            uri = _joined(host, str(http.get("path") or ""))
            return {"http_service": self._http(uri, cluster, http)}
        service = grpc_service(self.state, self.settings) or {}
        return {"grpc_service": {**service, **self._call(self.settings.get("grpc") or {})}}

    @property
    def _is_enriched(self) -> bool:
        return self.settings.get("serviceAttributeEnrichment") == _CONVENTIONS

    def _service_name(self) -> str:
        name_of = _conventional_name if self._is_enriched else _cluster_of
        return name_of(self.state, self.proxy)

    def _detectors(self) -> Iterator[dict[str, Any]]:
        asked = self.settings.get("resourceDetectors") or {}
        names = [name for name in _DETECTORS if asked.get(name) is not None]
        if self._is_enriched and "environment" not in names:
            names.append("environment")  # the proxy's OTEL_RESOURCE_ATTRIBUTES say the rest
        for name in names:
            full = f"envoy.tracers.opentelemetry.resource_detectors.{name}"
            yield {"name": full, "typed_config": typed(_DETECTORS[name])}

    def _sampler(self) -> dict[str, Any] | None:
        """What asks Dynatrace which requests to trace; by default where the spans go."""
        asked = self.settings.get("dynatraceSampler")
        if asked is None:
            return None
        own = asked.get("httpService")
        if own is None and self.settings.get("http") is None:
            raise NoTracerError("the sampler has no httpService, and the exporter no http")
        host, cluster = self._collector(self.settings if own is None else own)
        http = self.settings["http"] if own is None else own.get("http") or {}
        path = _SAMPLING_PATH if own is None else str(http.get("path") or "")
        known = {
            "tenant": asked.get("tenant"),
            "cluster_id": asked.get("clusterId"),
            "root_spans_per_minute": asked.get("rootSpansPerMinute"),
        }
        config = typed(
            _DYNATRACE,
            **{name: value for name, value in known.items() if value},
            http_service=self._http(_joined(host, path), cluster, http),
        )
        return {"name": "envoy.tracers.opentelemetry.samplers.dynatrace", "typed_config": config}

    def _collector(self, settings: Settings) -> tuple[str, str]:
        found = collector(self.state, settings)
        if found is None:
            raise NoTracerError(f"there is no service {settings.get('service')}")
        return found

    def _call(self, settings: Settings) -> dict[str, Any]:
        """How spans are sent by gRPC."""
        wait = settings.get("timeout")
        metadata = self._headers(settings.get("initialMetadata") or [])
        return {**({"timeout": wait} if wait else {}), **({"initial_metadata": metadata} if metadata else {})}

    def _http(self, uri: str, cluster: str, settings: Settings, timeout: str = "") -> dict[str, Any]:
        wait = settings.get("timeout") or timeout
        target = {"uri": uri, "cluster": cluster, **({"timeout": wait} if wait else {})}
        headers = [
            {"header": each, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for each in self._headers(settings.get("headers") or [])
        ]
        return {"http_uri": target, **({"request_headers_to_add": headers} if headers else {})}

    def _headers(self, given: Sequence[Settings]) -> list[dict[str, str]]:
        return [{"key": str(each.get("name")), "value": self._value(each)} for each in given]

    def _value(self, header: Settings) -> str:
        """With ``envName`` it is istiod that has the value; of a variable it has not, the value is empty."""
        if "envName" in header:
            return self.state.environment.get(str(header["envName"]), "")
        return str(header.get("value") or "")


def _joined(host: str, path: str) -> str:
    return f"{host}/{path.lstrip('/')}" if path else host


def _cluster_of(state: MeshState, proxy: Proxy) -> str:
    """``node.cluster`` of *proxy*: what it calls itself in a span."""
    labels = state.labels_of(proxy)
    app = labels.get("app") or labels.get("app.kubernetes.io/name") or "istio-proxy"
    return f"{app}.{proxy.namespace}"


def _conventional_name(state: MeshState, proxy: Proxy) -> str:
    """``service.name`` as OpenTelemetry's conventions for Kubernetes have it, the first there is."""
    pod, labels = state.pod_of(proxy), state.labels_of(proxy)
    told = annotations_of(pod) if pod else proxy.metadata.get("ANNOTATIONS") or {}
    owner = workload_name(pod) if pod else str(proxy.metadata.get("WORKLOAD_NAME") or "")
    names = (
        told.get("resource.opentelemetry.io/service.name"),
        labels.get("app.kubernetes.io/instance"),
        labels.get("app.kubernetes.io/name"),
        owner,
        proxy.name,
    )
    return next((str(each) for each in names if each), "unknown_service")
