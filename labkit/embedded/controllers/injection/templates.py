"""The two templates: a sidecar beside the application, and a gateway that is all its pod.

What real Istio adds and this leaves out: ``istio-init`` (there is no iptables to set up here) and the hook
of ``holdApplicationUntilProxyStarts`` (this node waits by itself).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.embedded.controllers.injection.decision import REVISION
from labkit.embedded.controllers.injection.pod_annotations import (
    COMPONENT_LOG_LEVEL,
    LOG_LEVEL,
    PROXY_IMAGE,
    PROXY_RESOURCES,
    READINESS,
    USER_MOUNTS,
    USER_VOLUMES,
)
from labkit.embedded.controllers.injection.proxy_configs import HOLDS
from labkit.embedded.objects import Obj, annotations_of, labels_of
from labkit.embedded.version import ISTIO_VERSION

PROXY = "istio-proxy"
SETTINGS = "labkit/proxyConfig"
"""Among the values: what the pod's ProxyConfig comes to."""
HUB = "docker.io/istio"
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
    """Add the proxy to *pod*: last, so that the application stays the default container, or first to be
    waited for; as Istio does."""
    apps = _complete(pod, "sidecar", values)
    if apps:
        notes = pod["metadata"]["annotations"]
        notes.setdefault("kubectl.kubernetes.io/default-container", apps[0]["name"])
        notes.setdefault("kubectl.kubernetes.io/default-logs-container", apps[0]["name"])


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
    is_first = bool((values.get(SETTINGS) or {}).get(HOLDS))
    proxy = _merged(_proxy(role, values, annotations_of(pod)), own or {})
    pod["spec"]["containers"] = [proxy, *others] if is_first else [*others, proxy]
    volumes = list(_named(annotations_of(pod).get(USER_VOLUMES)))
    if volumes:
        known = {each["name"] for each in volumes}
        kept = [each for each in pod["spec"].get("volumes") or [] if each["name"] not in known]
        pod["spec"]["volumes"] = [*kept, *volumes]
    _mark(pod)
    if role == "sidecar":
        pod["metadata"]["labels"].setdefault("security.istio.io/tlsMode", "istio")
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


def _proxy(role: str, values: dict[str, Any], notes: Mapping[str, str]) -> Obj:
    """The template's container; *notes* are the pod's annotations."""
    return {
        "name": PROXY,
        "image": _image(notes.get(PROXY_IMAGE, "proxyv2")),
        "imagePullPolicy": "IfNotPresent",
        "args": [*_args(role, notes), *_concurrency(values)],
        "env": [
            _field("POD_NAME", "metadata.name"),
            _field("POD_NAMESPACE", "metadata.namespace"),
            _field("INSTANCE_IP", "status.podIP"),
            _field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
            *_variables(values),
        ],
        "ports": [{"containerPort": 15090, "name": "http-envoy-prom", "protocol": "TCP"}],
        "readinessProbe": {
            "httpGet": {"path": "/healthz/ready", "port": 15021, "scheme": "HTTP"},
            "periodSeconds": 15,
            "timeoutSeconds": 3,
            "successThreshold": 1,
            "failureThreshold": 4,
            **{field: int(notes[name]) for name, field in READINESS.items() if name in notes},
        },
        "resources": _resources(values, notes),
        **({"volumeMounts": mounts} if (mounts := list(_named(notes.get(USER_MOUNTS)))) else {}),
        "securityContext": {"runAsUser": UID, "runAsGroup": UID, "runAsNonRoot": True},
    }


def _named(text: str | None) -> Iterator[Obj]:
    """The entries of an annotation that holds volumes, or mounts, by name; checked before."""
    for name, given in json.loads(text or "{}").items():
        yield {"name": name, **given}


def _image(name: str) -> str:
    return name if "/" in name else f"{HUB}/{name}:{ISTIO_VERSION}"


def _args(role: str, notes: Mapping[str, str]) -> list[str]:
    return [
        *("proxy", role, "--domain", "$(POD_NAMESPACE).svc.cluster.local"),
        f"--proxyLogLevel={notes.get(LOG_LEVEL, 'warning')}",
        f"--proxyComponentLogLevel={notes.get(COMPONENT_LOG_LEVEL, 'misc:error')}",
        "--log_output_level=default:info",
    ]


def _concurrency(values: Mapping[str, Any]) -> list[str]:
    asked = (values.get(SETTINGS) or {}).get("concurrency")
    return [] if asked is None else ["--concurrency", str(asked)]


def _variables(values: Mapping[str, Any]) -> list[Obj]:
    given = (values.get(SETTINGS) or {}).get("proxyMetadata") or {}
    return [{"name": name, "value": value} for name, value in given.items()]


def _resources(values: dict[str, Any], notes: Mapping[str, str]) -> Obj:
    """The installation's resources; one annotation that sets some is instead of all of them."""
    asked: Obj = {}
    for name, (kind, resource) in PROXY_RESOURCES.items():
        if name in notes:
            asked.setdefault(kind, {})[resource] = notes[name]
    usual: Obj = values.get("global", {}).get("proxy", {}).get("resources") or DEFAULT_RESOURCES
    return asked or usual


def _field(name: str, path: str) -> Obj:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


def _mark(pod: Obj) -> None:
    """The labels and annotations that say what was done."""
    labels = pod["metadata"].setdefault("labels", {})
    canonical = labels.get("app.kubernetes.io/name") or labels.get("app") or _workload(pod)
    labels.setdefault("service.istio.io/canonical-name", canonical)
    version = labels.get("app.kubernetes.io/version") or labels.get("version") or "latest"
    labels.setdefault("service.istio.io/canonical-revision", version)
    notes = pod["metadata"].setdefault("annotations", {})
    notes[STATUS] = json.dumps(DONE, separators=(",", ":"))
    notes["istio.io/rev"] = REVISION
    notes.setdefault("prometheus.io/scrape", "true")
    notes.setdefault("prometheus.io/port", "15090")
    notes.setdefault("prometheus.io/path", "/stats/prometheus")


def _workload(pod: Obj) -> str:
    """The name of what made the pod: its generated name without the hash parts."""
    metadata = pod["metadata"]
    name = metadata.get("name") or str(metadata.get("generateName", "")).rstrip("-")
    digest = labels_of(pod).get("pod-template-hash")
    return name.removesuffix(f"-{digest}") if digest else name
