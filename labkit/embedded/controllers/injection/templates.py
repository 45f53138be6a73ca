"""The two templates: a sidecar beside the application, and a gateway that is all its pod.

What real Istio adds and this leaves out: ``istio-init`` (there is no iptables to set up here), the
label ``security.istio.io/tlsMode: istio`` (it would promise mutual TLS, which these proxies don't do)
and ``holdApplicationUntilProxyStarts`` (off by default; this node starts a pod's containers together).
"""

from __future__ import annotations

import json
from typing import Any

from labkit.embedded.controllers.injection.decision import REVISION
from labkit.embedded.objects import Obj, annotations_of, labels_of
from labkit.embedded.version import ISTIO_VERSION

PROXY = "istio-proxy"
IMAGE = f"docker.io/istio/proxyv2:{ISTIO_VERSION}"
UID = 1337
STATUS = "sidecar.istio.io/status"
DONE = {
    "initContainers": None,
    "containers": [PROXY],
    "volumes": None,
    "imagePullSecrets": None,
    "revision": REVISION,
}
DEFAULT_RESOURCES = {
    "requests": {"cpu": "100m", "memory": "128Mi"},
    "limits": {"cpu": "2000m", "memory": "1024Mi"},
}


def inject_sidecar(pod: Obj, values: dict[str, Any]) -> None:
    """Add the proxy to *pod*: last, as Istio does, so that the application stays the default container."""
    apps = _complete(pod, "sidecar", values)
    if apps:
        annotations = pod["metadata"]["annotations"]
        annotations.setdefault("kubectl.kubernetes.io/default-container", apps[0]["name"])
        annotations.setdefault("kubectl.kubernetes.io/default-logs-container", apps[0]["name"])


def inject_gateway(pod: Obj, values: dict[str, Any]) -> None:
    """Complete the container ``istio-proxy`` with image ``auto`` of a gateway *pod*."""
    _complete(pod, "router", values)


def status_of(pod: Obj) -> str:
    """The note that a pod has been injected; empty where it has not."""
    return annotations_of(pod).get(STATUS, "")


def templates_of(pod: Obj) -> str:
    """Which template the pod asks for: ``sidecar`` unless its annotation says otherwise."""
    return annotations_of(pod).get("inject.istio.io/templates", "sidecar")


def _complete(pod: Obj, role: str, values: dict[str, Any]) -> list[Obj]:
    """Put the proxy in its place and mark the pod; returns the other containers."""
    containers = pod["spec"]["containers"]
    own = next((each for each in containers if each.get("name") == PROXY), None)
    others = [each for each in containers if each is not own]
    pod["spec"]["containers"] = [*others, _merged(_proxy(role, values), own or {})]
    _mark(pod)
    return others


def _merged(proxy: Obj, own: Obj) -> Obj:
    """The template's container with what the pod's author set on it, joined as a strategic patch would."""
    automatic = {"image", "imagePullPolicy"} if own.get("image") == "auto" else set()
    given = {key: part for key, part in own.items() if part not in ({}, [], None) and key not in automatic}
    joined = {
        field: [each for each in proxy[field] if each[key] not in {other[key] for other in given[field]}]
        + given[field]
        for field, key in (("env", "name"), ("ports", "containerPort"))
        if field in given
    }
    return proxy | given | joined


def _proxy(role: str, values: dict[str, Any]) -> Obj:
    resources = values.get("global", {}).get("proxy", {}).get("resources") or DEFAULT_RESOURCES
    return {
        "name": PROXY,
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": ["proxy", role, "--domain", "$(POD_NAMESPACE).svc.cluster.local"],
        "env": [
            _field("POD_NAME", "metadata.name"),
            _field("POD_NAMESPACE", "metadata.namespace"),
            _field("INSTANCE_IP", "status.podIP"),
            _field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
        ],
        "ports": [{"containerPort": 15090, "name": "http-envoy-prom", "protocol": "TCP"}],
        "readinessProbe": {
            "httpGet": {"path": "/healthz/ready", "port": 15021, "scheme": "HTTP"},
            "periodSeconds": 15,
            "timeoutSeconds": 3,
            "successThreshold": 1,
            "failureThreshold": 4,
        },
        "resources": resources,
        "securityContext": {"runAsUser": UID, "runAsGroup": UID, "runAsNonRoot": True},
    }


def _field(name: str, path: str) -> Obj:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


def _mark(pod: Obj) -> None:
    """The labels and annotations that say what was done."""
    labels = pod["metadata"].setdefault("labels", {})
    canonical = labels.get("app.kubernetes.io/name") or labels.get("app") or _workload(pod)
    labels.setdefault("service.istio.io/canonical-name", canonical)
    version = labels.get("app.kubernetes.io/version") or labels.get("version") or "latest"
    labels.setdefault("service.istio.io/canonical-revision", version)
    annotations = pod["metadata"].setdefault("annotations", {})
    annotations[STATUS] = json.dumps(DONE, separators=(",", ":"))
    annotations["istio.io/rev"] = REVISION
    annotations.setdefault("prometheus.io/scrape", "true")
    annotations.setdefault("prometheus.io/port", "15090")
    annotations.setdefault("prometheus.io/path", "/stats/prometheus")


def _workload(pod: Obj) -> str:
    """The name of what made the pod: its generated name without the hash parts."""
    metadata = pod["metadata"]
    name = metadata.get("name") or str(metadata.get("generateName", "")).rstrip("-")
    digest = labels_of(pod).get("pod-template-hash")
    return name.removesuffix(f"-{digest}") if digest else name
