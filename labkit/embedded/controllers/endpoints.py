"""Service → Endpoints and EndpointSlice: the addresses of the pods it selects."""

from __future__ import annotations

from collections.abc import Iterable

from labkit.embedded.controllers.ownership import reference
from labkit.embedded.controllers.readiness import is_ready
from labkit.embedded.controllers.runtime import Key
from labkit.embedded.interfaces import Client, WatchEvent
from labkit.embedded.objects import (
    Obj,
    has_labels,
    is_terminating,
    labels_of,
    mutable,
    name_of,
    namespace_of,
    uid_of,
)

SLICES = "endpointslices.discovery.k8s.io"
MANAGER = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}


class EndpointsOfServices:
    """Keeps one Endpoints and one EndpointSlice for every Service with a selector."""

    resources = ("services", "pods")

    def __init__(self, client: Client) -> None:
        self._client = client

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The Service, or every Service of the pod's namespace that selects it (or had its address)."""
        namespace = namespace_of(event.object)
        if event.resource == "services":
            return [(namespace, name_of(event.object))]
        return [
            (namespace, name_of(service))
            for service in self._client.list("services", namespace)
            if _selects(service, event.object) or self._holds(service, event.object)
        ]

    def _holds(self, service: Obj, pod: Obj) -> bool:
        """Whether the pod was there before its labels changed."""
        known = self._client.find(SLICES, name_of(service), namespace_of(service))
        endpoints = (known or {}).get("endpoints") or []
        return any(each.get("targetRef", {}).get("uid") == uid_of(pod) for each in endpoints)

    def reconcile(self, key: Key) -> None:
        """Write both objects where they differ from what is; a Service gone takes them along."""
        service = self._client.find("services", key[1], key[0])
        if service is None:
            self._remove(key)
            return
        if not service["spec"].get("selector") or service["spec"].get("type") == "ExternalName":
            return
        pods = [
            pod for pod in self._client.list("pods", key[0]) if _selects(service, pod) and _has_address(pod)
        ]
        pods.sort(key=name_of)
        self._write(SLICES, endpoint_slice(service, pods))
        self._write("endpoints", endpoints(service, pods))

    def _remove(self, key: Key) -> None:
        for resource in ("endpoints", SLICES):
            if self._client.find(resource, key[1], key[0]):
                self._client.delete(resource, key[1], key[0])

    def _write(self, resource: str, wanted: Obj) -> None:
        known = self._client.find(resource, name_of(wanted), namespace_of(wanted))
        if known is None:
            self._client.create(resource, wanted)
            return
        fields = set(wanted) - {"metadata", "apiVersion", "kind"}
        same = all((known.get(field) or []) == (wanted[field] or []) for field in fields)
        if not same or labels_of(known) != labels_of(wanted):
            metadata = {**known["metadata"], "labels": wanted["metadata"]["labels"]}
            self._client.update(resource, {**mutable(known), **wanted, "metadata": metadata})


def endpoint_slice(service: Obj, pods: list[Obj]) -> Obj:
    """The EndpointSlice of *service*; not-ready pods are in it with ``ready: false``."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name_of(service),
            "namespace": namespace_of(service),
            "labels": {**labels_of(service), "kubernetes.io/service-name": name_of(service), **MANAGER},
            "ownerReferences": [reference(service)],
        },
        "addressType": "IPv4",
        "endpoints": [_endpoint(service, pod) for pod in pods],
        "ports": [
            {"name": name, "port": number, "protocol": protocol}
            for name, number, protocol in target_ports(service, pods)
        ],
    }


def _endpoint(service: Obj, pod: Obj) -> Obj:
    serving = is_ready(pod) or bool(service["spec"].get("publishNotReadyAddresses"))
    going = is_terminating(pod)
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": serving and not going, "serving": serving, "terminating": going},
        "nodeName": pod["spec"].get("nodeName", ""),
        "targetRef": _target(pod),
    }


def _target(pod: Obj) -> Obj:
    return {"kind": "Pod", "name": name_of(pod), "namespace": namespace_of(pod), "uid": uid_of(pod)}


def endpoints(service: Obj, pods: list[Obj]) -> Obj:
    """The older form: ready and not-ready addresses apart."""
    serving: list[Obj] = []
    waiting: list[Obj] = []
    for pod in pods:
        endpoint = _endpoint(service, pod)
        address = {"ip": pod["status"]["podIP"], "nodeName": endpoint["nodeName"], "targetRef": _target(pod)}
        if not endpoint["conditions"]["terminating"]:
            (serving if endpoint["conditions"]["ready"] else waiting).append(address)
    ports = [
        {"name": name, "port": number, "protocol": protocol}
        for name, number, protocol in target_ports(service, pods)
    ]
    subset: Obj = {"ports": ports}
    subset |= {"addresses": serving} if serving else {}
    subset |= {"notReadyAddresses": waiting} if waiting else {}
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": name_of(service),
            "namespace": namespace_of(service),
            "labels": labels_of(service),
        },
        "subsets": [subset] if serving or waiting else [],
    }


def target_ports(service: Obj, pods: list[Obj]) -> list[tuple[str, int, str]]:
    """(name, number, protocol) of each service port on the pods; without named targets no pod has."""
    found = []
    for port in service["spec"].get("ports") or []:
        target = port.get("targetPort", port["port"])
        number = target if isinstance(target, int) else _named(target, pods)
        if number is not None:
            found.append((port.get("name", ""), number, port.get("protocol", "TCP")))
    return found


def _named(name: str, pods: list[Obj]) -> int | None:
    for pod in pods:
        for container in pod["spec"]["containers"]:
            for port in container.get("ports") or []:
                if port.get("name") == name:
                    return int(port["containerPort"])
    return None


def _selects(service: Obj, pod: Obj) -> bool:
    selector = service["spec"].get("selector")
    return bool(selector) and has_labels(labels_of(pod), selector)


def _has_address(pod: Obj) -> bool:
    status = pod.get("status", {})
    return bool(status.get("podIP")) and status.get("phase") not in ("Succeeded", "Failed")
