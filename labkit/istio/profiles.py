"""What to install: the settings of a profile with the learner's own laid over them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from labkit.istio.flags import Tree, merged

NAMESPACE = "istio-system"
VERSION = "1.30.3"

_RESOURCES = {
    "pilot": {"requests": {"cpu": "500m", "memory": "2048Mi"}},
    "proxy": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "2000m", "memory": "1024Mi"}},
}

_MESH: Tree = {
    "defaultConfig": {"discoveryAddress": f"istiod.{NAMESPACE}.svc:15012"},
    "defaultProviders": {"metrics": ["prometheus"]},
    "enablePrometheusMerge": True,
    "rootNamespace": NAMESPACE,
    "trustDomain": "cluster.local",
}

_PROFILES: dict[str, Tree] = {
    "default": {"components": {"ingressGateways": [{"name": "istio-ingressgateway", "enabled": True}]}},
    "minimal": {},
    "empty": {"components": {"pilot": {"enabled": False}, "base": {"enabled": False}}},
    "demo": {
        "components": {
            "ingressGateways": [{"name": "istio-ingressgateway", "enabled": True}],
            "egressGateways": [{"name": "istio-egressgateway", "enabled": True}],
        },
        "meshConfig": {"accessLogFile": "/dev/stdout"},
    },
}


@dataclass(frozen=True)
class Gateway:
    """One ingress or egress gateway."""

    name: str
    kind: str
    """``ingress`` or ``egress``."""
    labels: dict[str, str]
    service_type: str
    replicas: int
    resources: dict[str, Any]
    pod_annotations: dict[str, str] = field(default_factory=dict)
    service_annotations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """Everything the manifests are made from."""

    profile: str
    mesh: Tree
    istiod: bool
    istiod_replicas: int
    istiod_resources: dict[str, Any]
    proxy_resources: dict[str, Any]
    gateways: list[Gateway]
    asked: Tree = field(default_factory=dict)
    """What was asked for, without what the profile adds."""

    def of_kind(self, kind: str) -> list[Gateway]:
        return [gateway for gateway in self.gateways if gateway.kind == kind]


def settings(asked: Tree) -> Settings:
    """The settings for what was *asked* (judged already) on top of its profile."""
    profile = str(asked.get("profile") or "default")
    spec: Tree = merged(_PROFILES[profile], asked)
    components, values = spec.get("components") or {}, spec.get("values") or {}
    pilot, values_of_pilot = components.get("pilot") or {}, values.get("pilot") or {}
    k8s = pilot.get("k8s") or {}
    replicas = k8s.get("replicaCount", values_of_pilot.get("replicaCount", 1))
    resources = merged(merged(_RESOURCES["pilot"], values_of_pilot.get("resources")), k8s.get("resources"))
    proxy = ((values.get("global") or {}).get("proxy") or {}).get("resources")
    return Settings(
        profile=profile,
        mesh=merged(_MESH, spec.get("meshConfig")),
        istiod=bool(pilot.get("enabled", True)),
        istiod_replicas=int(replicas),
        istiod_resources=resources,
        proxy_resources=merged(_RESOURCES["proxy"], proxy),
        gateways=[g for kind in ("ingress", "egress") for g in _gateways(kind, components, values)],
        asked=asked,
    )


def _gateways(kind: str, components: Tree, values: Tree) -> list[Gateway]:
    default_name = f"istio-{kind}gateway"
    chart = (values.get("gateways") or {}).get(default_name) or {}
    asked = list(components.get(f"{kind}Gateways") or [])
    if chart.get("enabled") and not asked:
        asked = [{"name": default_name, "enabled": True}]
    return [
        _gateway(kind, entry, chart)
        for entry in asked
        if entry and entry.get("enabled") and chart.get("enabled", True)
    ]


def _gateway(kind: str, entry: Tree, chart: Tree) -> Gateway:
    name = str(entry.get("name") or f"istio-{kind}gateway")
    k8s = entry.get("k8s") or {}
    default_type = "LoadBalancer" if kind == "ingress" else "ClusterIP"
    resources = merged(merged(_RESOURCES["proxy"], chart.get("resources")), k8s.get("resources"))
    return Gateway(
        name=name,
        kind=kind,
        labels={"app": name, "istio": f"{kind}gateway", **(entry.get("label") or {})},
        service_type=str((k8s.get("service") or {}).get("type") or default_type),
        replicas=int(k8s.get("replicaCount", 1)),
        resources=resources,
        pod_annotations=_texts(k8s.get("podAnnotations")),
        service_annotations=_texts(k8s.get("serviceAnnotations")),
    )


def _texts(mapping: Tree | None) -> dict[str, str]:
    return {key: str(value) for key, value in (mapping or {}).items()}
