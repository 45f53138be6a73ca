"""What Endpoints and EndpointSlices say of a Service and its pods: pure functions.

Pods whose named target ports have different numbers (in the middle of a rollout, say) are told
apart: one slice, one subset, for each set of ports.
"""

from __future__ import annotations

from collections import defaultdict

from labkit.embedded.controllers.ownership import reference
from labkit.embedded.controllers.readiness import is_ready
from labkit.embedded.objects import Obj, has_labels, is_terminating, labels_of, name_of, namespace_of, uid_of

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
ENDPOINTS_MANAGED_BY = "endpoints.kubernetes.io/managed-by"
ENDPOINTS_MANAGER = "endpoint-controller"
HEADLESS = "service.kubernetes.io/headless"

Ports = tuple[tuple[str, int, str, str], ...]
"""(name, number, protocol, appProtocol) of each of a Service's ports on a pod."""


def is_selected(service: Obj, pod: Obj) -> bool:
    """Whether *service* selects *pod*; one without a selector selects nothing."""
    selector = service["spec"].get("selector")
    return bool(selector) and has_labels(labels_of(pod), selector)


def has_address(pod: Obj) -> bool:
    """Whether the pod has an address and has not ended."""
    status = pod.get("status", {})
    return bool(status.get("podIP")) and status.get("phase") not in ("Succeeded", "Failed")


def endpoint_slices(service: Obj, pods: list[Obj]) -> list[Obj]:
    """The slices of *service*, not yet named; not-ready pods are in them with ``ready: false``."""
    groups = _by_ports(service, pods) or {(): []}
    return [_endpoint_slice(service, ports, group) for ports, group in groups.items()]


def _by_ports(service: Obj, pods: list[Obj]) -> dict[Ports, list[Obj]]:
    groups: dict[Ports, list[Obj]] = defaultdict(list)
    for pod in sorted(pods, key=name_of):
        groups[target_ports(service, pod)].append(pod)
    return groups


def target_ports(service: Obj, pod: Obj) -> Ports:
    """The Service's ports on *pod*, without those whose named target the pod does not have."""
    found = []
    for port in service["spec"].get("ports") or []:
        target = port.get("targetPort") or port["port"]
        number = target if isinstance(target, int) else _named(target, port.get("protocol", "TCP"), pod)
        if number is not None:
            protocols = port.get("protocol", "TCP"), port.get("appProtocol", "")
            found.append((port.get("name", ""), number, *protocols))
    return tuple(found)


def _named(name: str, protocol: str, pod: Obj) -> int | None:
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or []:
            if (port.get("name"), port.get("protocol", "TCP")) == (name, protocol):
                return int(port["containerPort"])
    return None


def _endpoint_slice(service: Obj, ports: Ports, pods: list[Obj]) -> Obj:
    labels = {**_labels(service), SERVICE_NAME: name_of(service), MANAGED_BY: MANAGER}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": f"{name_of(service)}-",
            "namespace": namespace_of(service),
            "labels": labels,
            "ownerReferences": [reference(service)],
        },
        "addressType": "IPv4",
        "endpoints": [_endpoint(service, pod) for pod in pods],
        "ports": _listed(ports),
    }


def _labels(service: Obj) -> dict[str, str]:
    headless = service["spec"].get("clusterIP") == "None"
    return {**labels_of(service), **({HEADLESS: ""} if headless else {})}


def _listed(ports: Ports) -> list[Obj]:
    return [
        {"name": name, "port": number, "protocol": protocol, **({"appProtocol": app} if app else {})}
        for name, number, protocol, app in ports
    ]


def _endpoint(service: Obj, pod: Obj) -> Obj:
    serving = is_ready(pod) or bool(service["spec"].get("publishNotReadyAddresses"))
    going = is_terminating(pod)
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": serving and not going, "serving": serving, "terminating": going},
        "nodeName": pod["spec"].get("nodeName", ""),
        "targetRef": _target(pod),
        **_host(service, pod),
    }


def _host(service: Obj, pod: Obj) -> Obj:
    """The name by which DNS tells *pod* from the others of its Service."""
    spec = pod["spec"]
    is_told = spec.get("hostname") and spec.get("subdomain") == name_of(service)
    return {"hostname": spec["hostname"]} if is_told else {}


def _target(pod: Obj) -> Obj:
    return {"kind": "Pod", "name": name_of(pod), "namespace": namespace_of(pod), "uid": uid_of(pod)}


def endpoints(service: Obj, pods: list[Obj]) -> Obj:
    """The older form: ready and not-ready addresses apart, pods that are ending in neither."""
    staying = [pod for pod in pods if not is_terminating(pod)]
    subsets = [_subset(service, ports, group) for ports, group in _by_ports(service, staying).items()]
    labels = {**_labels(service), ENDPOINTS_MANAGED_BY: ENDPOINTS_MANAGER}
    metadata = {"name": name_of(service), "namespace": namespace_of(service), "labels": labels}
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": subsets}


def _subset(service: Obj, ports: Ports, pods: list[Obj]) -> Obj:
    subset: Obj = {}
    for pod in pods:
        endpoint = _endpoint(service, pod)
        kept: Obj = {key: endpoint[key] for key in ("nodeName", "targetRef", "hostname") if key in endpoint}
        address: Obj = {"ip": pod["status"]["podIP"], **kept}
        kind = "addresses" if endpoint["conditions"]["ready"] else "notReadyAddresses"
        subset.setdefault(kind, []).append(address)
    return {**subset, "ports": _listed(ports)}
