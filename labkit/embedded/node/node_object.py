"""The Node object and its Lease: what ``kubectl get nodes`` and ``describe node`` show."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
from pathlib import Path
from uuid import NAMESPACE_DNS, uuid5

from labkit.embedded.addresses import NODE_ADDRESS, pod_network
from labkit.embedded.interfaces import Client
from labkit.embedded.objects import Obj, condition_of, micro_timestamp, mutable, timestamp
from labkit.embedded.status import ApiError
from labkit.embedded.version import KUBERNETES_VERSION, architecture

RUNTIME_VERSION = "labkit://0.1"
LEASES, LEASE_NAMESPACE = "leases.coordination.k8s.io", "kube-node-lease"
LEASE_SECONDS = 40
RENEW_SECONDS = 10.0
MOST_PODS = "110"
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


async def keep_alive(client: Client, name: str) -> None:
    """Renew the node's lease until cancelled, as a kubelet does every ten seconds."""
    while True:
        _renew(client, name)
        await asyncio.sleep(RENEW_SECONDS)


def _renew(client: Client, name: str) -> None:
    try:
        if client.find(LEASES, name, LEASE_NAMESPACE):
            client.patch(LEASES, name, LEASE_NAMESPACE, {"spec": {"renewTime": micro_timestamp()}})
        elif client.find("namespaces", LEASE_NAMESPACE):
            client.create(LEASES, _lease(client, name))
    except ApiError:
        pass  # a beat lost; the next one tells


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
    resources = _resources(state_dir)
    return {
        "addresses": [
            {"type": "InternalIP", "address": NODE_ADDRESS},
            {"type": "Hostname", "address": name},
        ],
        "allocatable": resources,
        "capacity": resources,
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


def _resources(state_dir: Path) -> dict[str, str]:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": str(os.cpu_count() or 1),
        "memory": f"{memory // 1024}Ki",
        "ephemeral-storage": f"{shutil.disk_usage(state_dir).total // 1024}Ki",
        "pods": MOST_PODS,
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
