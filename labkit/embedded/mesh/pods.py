"""What a Pod says of its proxy, and of its ports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from labkit.embedded.objects import Obj
from labkit.embedded.open_ports import PortsByPod

PROXY_CONTAINER = "istio-proxy"


def proxy_container_of(pod: Obj) -> Obj | None:
    """The entry of the container ``istio-proxy``, a native sidecar's included."""
    spec = pod.get("spec") or {}
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    return next((each for each in containers if each.get("name") == PROXY_CONTAINER), None)


def node_type_of(container: Obj) -> Literal["sidecar", "router"]:
    """What the container's ``proxy sidecar …`` or ``proxy router …`` asks for."""
    args = [str(each) for each in container.get("args") or ()]
    return "router" if args[:2] == ["proxy", "router"] else "sidecar"


def node_id(kind: Literal["sidecar", "router"], pod_ip: str, pod: str, namespace: str) -> str:
    """The id under which a pod's proxy asks for its configuration."""
    return f"{kind}~{pod_ip}~{pod}.{namespace}~{namespace}.svc.cluster.local"


def is_running_proxy(pod: Obj) -> bool:
    """Whether the pod's proxy process runs now, connected or not."""
    status = pod.get("status") or {}
    statuses = [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]
    states = (each.get("state") or {} for each in statuses if each.get("name") == PROXY_CONTAINER)
    return any("running" in state for state in states)


def container_ports(pod: Obj, *, of_proxy: bool = False) -> Iterator[tuple[str, int]]:
    """(name, number) of the TCP ports that the pod's own containers, or its proxy, declare."""
    for container in (pod.get("spec") or {}).get("containers") or []:
        if (container.get("name") == PROXY_CONTAINER) is not of_proxy:
            continue
        for port in container.get("ports") or []:
            if port.get("protocol", "TCP") == "TCP":
                yield str(port.get("name") or ""), int(port["containerPort"])


def undeclared(pods: Iterable[Obj], open_ports: PortsByPod) -> PortsByPod:
    """Of *open_ports*, those that their pods' containers don't declare."""
    found: dict[str, frozenset[int]] = {}
    for pod in pods if open_ports else ():
        address = (pod.get("status") or {}).get("podIP") or ""
        declared = {number for _, number in container_ports(pod)}
        if ports := open_ports.get(address, frozenset()) - declared:
            found[address] = ports
    return found
