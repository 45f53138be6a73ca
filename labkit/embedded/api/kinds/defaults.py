"""What the API server fills in where a manifest is silent.

The values are those of ``pkg/apis/{core,apps,discovery,rbac}/v1/defaults.go`` and of the admission
plug-ins a cluster has by default (ServiceAccount, Priority, DefaultTolerationSeconds). Defaults are
applied to what a client sent, and once more after admission plug-ins have added to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from labkit.embedded.objects import Obj

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_NODE_TROUBLE = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_FILE_MODE = 0o644
_RBAC = "rbac.authorization.k8s.io"


def apply_defaults(obj: Obj) -> None:
    """Complete *obj* in place; a kind without defaults stays as it is."""
    fill = _BY_KIND.get((str(obj.get("apiVersion")), str(obj.get("kind"))))
    if fill:
        fill(obj)


def _fill(target: Obj, **values: Any) -> None:
    """Set what is missing or empty."""
    for key, value in values.items():
        if target.get(key) in (None, ""):
            target[key] = value


def _items(target: Obj, *names: str) -> Iterable[Obj]:
    """The entries of the lists *names* of *target*."""
    return [each for name in names for each in target.get(name) or ()]


def _deployment(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    _fill(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = spec.setdefault("strategy", {})
    _fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _fill(strategy, rollingUpdate={})
        _fill(strategy["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")
    _template(spec)


def _replica_set(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    _fill(spec, replicas=1)
    _template(spec)


def _template(spec: Obj) -> None:
    if isinstance(spec.get("template"), dict):
        pod_spec(spec["template"].setdefault("spec", {}))


def _pod(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    pod_spec(spec)
    _fill(spec, enableServiceLinks=True)
    for container in _items(spec, "containers", "initContainers"):
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
    _fill(
        spec,
        restartPolicy="Always",
        dnsPolicy="ClusterFirst",
        terminationGracePeriodSeconds=30,
        schedulerName="default-scheduler",
        securityContext={},
    )
    if spec.get("serviceAccountName"):
        _fill(spec, serviceAccount=spec["serviceAccountName"])
    elif spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"]
    for container in _items(spec, "containers", "initContainers", "ephemeralContainers"):
        _container(container)
    for volume in _items(spec, "volumes"):
        _volume(volume)


def _container(container: Obj) -> None:
    _fill(
        container,
        imagePullPolicy=_pull_policy(container.get("image", "")),
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        resources={},
    )
    for port in _items(container, "ports"):
        _fill(port, protocol="TCP")
    for variable in _items(container, "env"):
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
        _fill(handler["httpGet"], path="/", scheme="HTTP")


def _field_reference(source: Obj) -> None:
    if source.get("fieldRef"):
        _fill(source["fieldRef"], apiVersion="v1")


def _volume(volume: Obj) -> None:
    if set(volume) <= {"name"}:
        volume["emptyDir"] = {}
    for kind in ("secret", "configMap", "downwardAPI", "projected"):
        if volume.get(kind) is not None:
            _fill(volume[kind], defaultMode=_FILE_MODE)
            for item in _items(volume[kind], "items"):
                _field_reference(item)
    for source in _items(volume.get("projected") or {}, "sources"):
        if source.get("serviceAccountToken"):
            _fill(source["serviceAccountToken"], expirationSeconds=3600)
        for item in _items(source.get("downwardAPI") or {}, "items"):
            _field_reference(item)
    if volume.get("hostPath"):
        volume["hostPath"].setdefault("type", "")


def _service(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    _fill(spec, sessionAffinity="None", type="ClusterIP")
    if spec["sessionAffinity"] == "ClientIP":
        spec.setdefault("sessionAffinityConfig", {"clientIP": {"timeoutSeconds": 10800}})
    else:
        spec.pop("sessionAffinityConfig", None)
    for port in _items(spec, "ports"):
        _fill(port, protocol="TCP")
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port", 0)
    kind = spec["type"]
    if kind in ("NodePort", "LoadBalancer") or spec.get("externalIPs"):
        _fill(spec, externalTrafficPolicy="Cluster")
    if kind in ("ClusterIP", "NodePort", "LoadBalancer"):
        _fill(spec, internalTrafficPolicy="Cluster")
    if kind == "LoadBalancer":
        _fill(spec, allocateLoadBalancerNodePorts=True)
        for ingress in _items(obj.get("status", {}).get("loadBalancer") or {}, "ingress"):
            if ingress.get("ip"):
                _fill(ingress, ipMode="VIP")


def _endpoints(obj: Obj) -> None:
    for subset in _items(obj, "subsets"):
        for port in _items(subset, "ports"):
            _fill(port, protocol="TCP")


def _endpoint_slice(obj: Obj) -> None:
    for port in _items(obj, "ports"):
        port.setdefault("name", "")
        _fill(port, protocol="TCP")


def _secret(obj: Obj) -> None:
    _fill(obj, type="Opaque")


def _namespace(obj: Obj) -> None:
    _fill(obj.setdefault("status", {}), phase="Active")


def _node(obj: Obj) -> None:
    status = obj.setdefault("status", {})
    if status.get("capacity"):
        _fill(status, allocatable=dict(status["capacity"]))


def _binding(obj: Obj) -> None:
    _fill(obj.setdefault("roleRef", {}), apiGroup=_RBAC)
    for subject in _items(obj, "subjects"):
        if subject.get("kind") in ("User", "Group"):
            _fill(subject, apiGroup=_RBAC)


_BY_KIND: dict[tuple[str, str], Callable[[Obj], None]] = {
    ("apps/v1", "Deployment"): _deployment,
    ("apps/v1", "ReplicaSet"): _replica_set,
    ("v1", "Pod"): _pod,
    ("v1", "Service"): _service,
    ("v1", "Endpoints"): _endpoints,
    ("v1", "Secret"): _secret,
    ("v1", "Namespace"): _namespace,
    ("v1", "Node"): _node,
    ("discovery.k8s.io/v1", "EndpointSlice"): _endpoint_slice,
    (f"{_RBAC}/v1", "RoleBinding"): _binding,
    (f"{_RBAC}/v1", "ClusterRoleBinding"): _binding,
}
