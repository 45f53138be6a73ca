"""The Node object and its Lease: what ``kubectl get nodes`` and ``describe node`` show."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import shutil
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from uuid import NAMESPACE_DNS, uuid5

from labkit.embedded.addresses import NODE_ADDRESS, pod_network
from labkit.embedded.interfaces import Client
from labkit.embedded.objects import Obj, condition_of, micro_timestamp, mutable, timestamp
from labkit.embedded.quantities import amount
from labkit.embedded.version import KUBERNETES_VERSION, architecture

log = logging.getLogger(__name__)

RUNTIME_VERSION = "labkit://0.1"
LEASES, LEASE_NAMESPACE = "leases.coordination.k8s.io", "kube-node-lease"
LEASE_SECONDS = 40
RENEW_SECONDS = 10.0
MOST_PODS = 250
CPU_EACH, MEMORY_EACH = 0.2, 192 * 2**20
"""What a pod of the course requests with Istio's default sidecar (100m + 100m, 32Mi + 128Mi), and more."""
_CONDITIONS = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


def register(client: Client, name: str, block: int, state_dir: Path) -> None:
    """Create the Node, or bring it up to date; it is Ready from here on."""
    old = client.find("nodes", name)
    if old is None:
        old = client.create("nodes", _node(name, block))
    node = mutable(old)
    node["status"] = _status(name, old, state_dir)
    client.update_status("nodes", node)


def follow_capacity(client: Client, node: Obj) -> None:
    """Offer what somebody has entered in the node's capacity: resources like ``example.com/dongle``."""
    status: Obj = node.get("status") or {}
    others = {name: each for name, each in (status.get("capacity") or {}).items() if _is_others(name)}
    offered: dict[str, str] = status.get("allocatable") or {}
    wanted = {name: each for name, each in offered.items() if not _is_others(name)} | others
    if wanted != offered:
        client.update_status("nodes", {**mutable(node), "status": {**mutable(status), "allocatable": wanted}})


def _is_others(resource: str) -> bool:
    """Whether it is an extended resource, which Kubernetes itself knows nothing of."""
    return "/" in resource and "kubernetes.io/" not in resource


async def keep_alive(client: Client, name: str, register: Callable[[], None]) -> None:
    """Renew the node's lease until cancelled, as a kubelet does every ten seconds.

    Where the Node itself is missing (a registration failed, on a full disk say), *register* it first.
    """
    while True:
        _renew(client, name, register)
        await asyncio.sleep(RENEW_SECONDS)


def _renew(client: Client, name: str, register: Callable[[], None]) -> None:
    try:
        if client.find("nodes", name) is None:
            register()
        if client.find(LEASES, name, LEASE_NAMESPACE):
            client.patch(LEASES, name, LEASE_NAMESPACE, {"spec": {"renewTime": micro_timestamp()}})
        elif client.find("namespaces", LEASE_NAMESPACE):
            client.create(LEASES, _lease(client, name))
    except Exception as error:  # a beat lost, on a full disk say; the next one tells
        log.warning("lease of node %s not renewed: %s", name, error)


def _lease(client: Client, name: str) -> Obj:
    owner = client.get("nodes", name)
    reference = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": owner["metadata"]["uid"]}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": LEASE_NAMESPACE, "ownerReferences": [reference]},
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": micro_timestamp(),
        },
    }


def _node(name: str, block: int) -> Obj:
    network = str(pod_network(block))
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture(),
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": architecture(),
        "node-role.kubernetes.io/control-plane": "true",
        "node-role.kubernetes.io/master": "true",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"podCIDR": network, "podCIDRs": [network], "providerID": f"labkit://{name}"},
    }


def _status(name: str, old: Obj, state_dir: Path) -> Obj:
    capacity = _capacity(state_dir)
    return {
        "addresses": [
            {"type": "InternalIP", "address": NODE_ADDRESS},
            {"type": "Hostname", "address": name},
        ],
        "allocatable": _allocatable(capacity),
        "capacity": capacity,
        "conditions": [_condition(old, *condition) for condition in _CONDITIONS],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
        "nodeInfo": _info(name),
    }


def _condition(old: Obj, kind: str, value: str, reason: str, message: str) -> Obj:
    before = condition_of(old, kind) or {}
    since = before.get("lastTransitionTime") if before.get("status") == value else None
    return {
        "type": kind,
        "status": value,
        "lastHeartbeatTime": timestamp(),
        "lastTransitionTime": since or timestamp(),
        "reason": reason,
        "message": message,
    }


def _capacity(state_dir: Path) -> dict[str, str]:
    """What the machine has."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": str(os.cpu_count() or 1),
        "memory": f"{memory // 1024}Ki",
        "ephemeral-storage": f"{shutil.disk_usage(state_dir).total // 1024}Ki",
        "pods": str(MOST_PODS),
    }


def _allocatable(capacity: Mapping[str, str]) -> dict[str, str]:
    """What pods may request together: never less than a node full of the course's pods asks for.

    On a real node a request sets a share of the machine aside, so this is less than the capacity. Here
    nothing is set aside (one user's processes share what there is, and the course's need a hundredth of
    what they request), so a machine with one core must not leave a lesson's pods Pending.
    """
    floor = {"cpu": Decimal(CPU_EACH) * MOST_PODS, "memory": Decimal(MEMORY_EACH) * MOST_PODS}
    given = {name: max(amount(capacity[name]), least) for name, least in floor.items()}
    return {
        **capacity,
        "cpu": str(round(given["cpu"])),
        "memory": f"{round(given['memory']) // 1024}Ki",
    }


def _info(name: str) -> dict[str, str]:
    identity = uuid5(NAMESPACE_DNS, name)
    return {
        "architecture": architecture(),
        "bootID": _read("/proc/sys/kernel/random/boot_id") or str(identity),
        "containerRuntimeVersion": RUNTIME_VERSION,
        "kernelVersion": platform.release(),
        "kubeProxyVersion": KUBERNETES_VERSION,
        "kubeletVersion": KUBERNETES_VERSION,
        "machineID": identity.hex,
        "operatingSystem": "linux",
        "osImage": _distribution(),
        "systemUUID": str(identity),
    }


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
