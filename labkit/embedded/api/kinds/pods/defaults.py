"""What is filled in where a pod or a pod template is silent: ``pkg/apis/core/v1/defaults.go``."""

from __future__ import annotations

import re

from labkit.embedded.api.kinds.common.fill import fill, items
from labkit.embedded.objects import Obj

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_NODE_TROUBLE = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_FILE_MODE = 0o644


def default_template(spec: Obj) -> None:
    """The template of a workload's *spec*."""
    if isinstance(spec.get("template"), dict):
        pod_spec(spec["template"].setdefault("spec", {}))


def default_pod(obj: Obj) -> None:
    """A pod, with what the admission plug-ins add that every cluster has."""
    spec = obj.setdefault("spec", {})
    pod_spec(spec)
    fill(spec, enableServiceLinks=True)
    for container in items(spec, "containers", "initContainers"):
        _requests_from_limits(container["resources"])
    _tolerate_node_trouble(spec)


def _requests_from_limits(resources: Obj) -> None:
    if resources.get("limits"):
        resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}


def _tolerate_node_trouble(spec: Obj) -> None:
    """Five minutes' patience with a node that is away, as DefaultTolerationSeconds adds it."""
    given = spec.setdefault("tolerations", [])
    tolerated = {each.get("key") for each in given if each.get("effect") in (None, "", "NoExecute")}
    if None in tolerated:
        return
    given += [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        for key in _NODE_TROUBLE
        if key not in tolerated
    ]


def pod_spec(spec: Obj) -> None:
    """The defaults of a pod's spec, in a pod or in a template."""
    fill(
        spec,
        restartPolicy="Always",
        dnsPolicy="ClusterFirst",
        terminationGracePeriodSeconds=30,
        schedulerName="default-scheduler",
        securityContext={},
    )
    if spec.get("serviceAccountName"):
        fill(spec, serviceAccount=spec["serviceAccountName"])
    elif spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"]
    for container in items(spec, "containers", "initContainers", "ephemeralContainers"):
        _container(container)
    for volume in items(spec, "volumes"):
        _volume(volume)


def _container(container: Obj) -> None:
    fill(
        container,
        imagePullPolicy=_pull_policy(container.get("image", "")),
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        resources={},
    )
    for port in items(container, "ports"):
        fill(port, protocol="TCP")
    for variable in items(container, "env"):
        _field_reference(variable.get("valueFrom") or {})
    for name in _PROBES:
        if container.get(name):
            _probe(container[name])
    for hook in ("postStart", "preStop"):
        _http_get((container.get("lifecycle") or {}).get(hook) or {})


def _pull_policy(image: str) -> str:
    """Always for ``:latest``, said or implied; IfNotPresent for what has a tag or digest."""
    tag = re.search(r":([^/:@]+)(?:@|$)", image)
    implied = tag is None and "@" not in image
    return "Always" if implied or (tag and tag[1] == "latest") else "IfNotPresent"


def _probe(probe: Obj) -> None:
    for key, value in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        probe[key] = probe.get(key) or value
    _http_get(probe)
    if probe.get("grpc"):
        probe["grpc"].setdefault("service", "")


def _http_get(handler: Obj) -> None:
    if handler.get("httpGet"):
        fill(handler["httpGet"], path="/", scheme="HTTP")


def _field_reference(source: Obj) -> None:
    if source.get("fieldRef"):
        fill(source["fieldRef"], apiVersion="v1")


def _volume(volume: Obj) -> None:
    if set(volume) <= {"name"}:
        volume["emptyDir"] = {}
    for kind in ("secret", "configMap", "downwardAPI", "projected"):
        if volume.get(kind) is not None:
            fill(volume[kind], defaultMode=_FILE_MODE)
            for item in items(volume[kind], "items"):
                _field_reference(item)
    for source in items(volume.get("projected") or {}, "sources"):
        if source.get("serviceAccountToken"):
            fill(source["serviceAccountToken"], expirationSeconds=3600)
        for item in items(source.get("downwardAPI") or {}, "items"):
            _field_reference(item)
    if volume.get("hostPath"):
        volume["hostPath"].setdefault("type", "")
