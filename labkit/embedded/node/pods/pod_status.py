"""A pod's status out of what its containers do: pure, by the rules of the kubelet's ``status`` package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from labkit.embedded.addresses import NODE_ADDRESS
from labkit.embedded.node.containers.container_state import ContainerState
from labkit.embedded.objects import Obj, condition_of, timestamp

Phase = Literal["Pending", "Running", "Succeeded", "Failed"]

OWN_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
"""What the kubelet writes; conditions of other types are somebody else's, and stay."""

ENDED_REASONS: dict[Phase, str] = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}
"""Why a pod that has ended is not ready."""


def pod_status(
    pod: Obj,
    containers: Sequence[ContainerState],
    init_containers: Sequence[ContainerState],
    ephemeral_containers: Sequence[ContainerState] = (),
    *,
    pod_ip: str,
    start_time: str,
    failure: tuple[str, str] | None = None,
) -> Obj:
    """The whole ``status`` of *pod*; *failure* is the reason and message of one that the node has ended."""
    old: dict[str, Any] = pod.get("status") or {}
    current = phase(pod, containers, init_containers)
    if failure and not any(each.running for each in (*containers, *init_containers, *ephemeral_containers)):
        current = "Failed"  # and not before: whoever sees it may rely on nothing running any more
    status = {
        "phase": current,
        "conditions": _conditions(pod, current, containers, init_containers),
        "hostIP": NODE_ADDRESS,
        "hostIPs": [{"ip": NODE_ADDRESS}],
        "podIP": pod_ip,
        "podIPs": [{"ip": pod_ip}],
        "startTime": start_time,
        "qosClass": old.get("qosClass", "BestEffort"),
        "containerStatuses": [container.status() for container in containers],
    }
    if init_containers:
        # One that comes before the others is ready when it has done its work, and not while it does it.
        status["initContainerStatuses"] = [
            container.status() | {"ready": container.succeeded} for container in init_containers
        ]
    if ephemeral_containers:
        status["ephemeralContainerStatuses"] = [_of_ephemeral(each) for each in ephemeral_containers]
    if failure and current == "Failed":
        status["reason"], status["message"] = failure
    return status


def _of_ephemeral(container: ContainerState) -> Obj:
    """Nobody looks whether such a one is ready."""
    return {key: each for key, each in container.status().items() if key != "started"} | {"ready": False}


def phase(pod: Obj, containers: Sequence[ContainerState], init_containers: Sequence[ContainerState]) -> Phase:
    """Where in its life the pod is."""
    policy = pod.get("spec", {}).get("restartPolicy", "Always")
    if not all(each.succeeded for each in init_containers):
        failed = policy == "Never" and any(each.terminated and not each.succeeded for each in init_containers)
        return "Failed" if failed else "Pending"
    if any(not (each.running or each.terminated or each.last) for each in containers):
        return "Pending"
    if policy == "Always" or not all(each.terminated for each in containers):
        return "Running"
    if all(each.succeeded for each in containers):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def _conditions(
    pod: Obj, current: Phase, containers: Sequence[ContainerState], init_containers: Sequence[ContainerState]
) -> list[Obj]:
    initialized = _initialized(init_containers)
    ready = _ready(current, containers)
    others = (pod.get("status") or {}).get("conditions") or []
    return [
        *(each for each in others if each["type"] not in OWN_CONDITIONS),
        _condition(pod, "PodReadyToStartContainers"),
        _condition(pod, "Initialized", *initialized),
        _condition(pod, "Ready", *ready),
        _condition(pod, "ContainersReady", *ready),
        _condition(pod, "PodScheduled"),
    ]


def _initialized(init_containers: Sequence[ContainerState]) -> tuple[str, str]:
    waiting = [each.name for each in init_containers if not each.succeeded]
    if not waiting:
        return "", ""
    return "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(waiting)}]"


def _ready(current: Phase, containers: Sequence[ContainerState]) -> tuple[str, str]:
    if current in ENDED_REASONS:
        return ENDED_REASONS[current], ""
    waiting = [each.name for each in containers if not each.ready]
    if not waiting and current == "Running":
        return "", ""
    return "ContainersNotReady", f"containers with unready status: [{' '.join(waiting)}]"


def _condition(pod: Obj, kind: str, reason: str = "", message: str = "") -> Obj:
    """A condition: True where there is no *reason* against it; its time moves only with its status."""
    old = condition_of(pod, kind) or {}
    value = "False" if reason else "True"
    since = old.get("lastTransitionTime") if old.get("status") == value else None
    condition = {
        "type": kind,
        "status": value,
        "lastProbeTime": None,
        "lastTransitionTime": since or timestamp(),
    }
    return condition | ({"reason": reason} if reason else {}) | ({"message": message} if message else {})
