"""Tracing, as istiod configures it: who is sent spans, which ones, and what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.telemetries import Tracing
from labkit.embedded.mesh.translate.naming import typed
from labkit.embedded.mesh.translate.telemetry.tracers import Tracer, tracer_of
from labkit.embedded.mesh.workloads import CANONICAL_NAME, CANONICAL_REVISION, CLUSTER_ID
from labkit.embedded.proxy_config import proxy_config

Settings = Mapping[str, Any]
_DEFAULT_SAMPLING = 1.0
_DRY_RUN = "istio_dry_run_{}_"


def tracing_of(state: MeshState, proxy: Proxy, asked: Tracing | None) -> dict[str, Any]:
    """The fields of a connection manager; none where no span is to be sent, or nobody is there to take it."""
    tracer = None if asked is None else tracer_of(state, proxy, asked.provider)
    if asked is None or tracer is None:
        return {}
    own = _proxy_settings(state, proxy)
    longest = _longest(asked, own)
    spawns = proxy.kind == "router" or tracer.always_spawns
    tracing = {
        "client_sampling": {"value": 100},
        "overall_sampling": {"value": 100},
        "random_sampling": {"value": _sampled(asked, own, tracer)},
        "custom_tags": sorted(_tags(state, proxy, asked, own), key=lambda each: str(each["tag"])),
        "provider": tracer.provider,
        **({"max_path_tag_length": longest} if longest else {}),
        **({"spawn_upstream_span": True} if spawns else {}),
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


def _longest(asked: Tracing, own: Settings) -> int:
    """How many characters of a path a span has; SkyWalking's provider has no say in it."""
    given = asked.provider.settings.get("maxTagLength") if asked.provider.kind != "skywalking" else None
    return int(given or own.get("maxPathTagLength") or 0)


def _sampled(asked: Tracing, own: Settings, tracer: Tracer) -> float:
    """Percent of requests that the tracer is shown."""
    if tracer.samples:
        return 100.0
    return _sampling(own) if asked.sampling is None else asked.sampling


def _sampling(settings: Settings) -> float:
    asked = float(settings.get("sampling") or 0.0) or _DEFAULT_SAMPLING
    return asked if asked <= 100 else _DEFAULT_SAMPLING


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
