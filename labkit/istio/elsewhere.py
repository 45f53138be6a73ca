"""Istio on somebody's cluster: what is there is used, and the least is added.

A gateway that is missing is made by gateway injection, which needs no istioctl: a Deployment whose
container has the image ``auto``, for istiod to fill in
(https://istio.io/latest/docs/setup/additional-setup/gateway/). One that nobody asks for stays, as others
may need it. Where there is no Istio at all, istioctl is called if it is found, and else the very command is
said. An Istio that is there is its administrator's: its settings stay, whatever is asked for.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

from labkit.errors import ClusterError
from labkit.istio.flags import Tree, leaves
from labkit.istio.profiles import NAMESPACE, Gateway, Settings
from labkit.kube.api.api import APPLY_PATCH, Api, Obj
from labkit.kube.api.resources import DEPLOYMENTS, resource_of
from labkit.kube.api.wait import wait_for_rollouts
from labkit.kube.connecting.agreement import PART_OF, PART_OF_LAB
from labkit.kube.connecting.connect import context_of_kubectl
from labkit.kube.mesh.control_plane import ControlPlane, control_planes
from labkit.kube.mesh.mesh_config import mesh_config

Say = Callable[[str], None]


def install(api: Api, settings: Settings, say: Say) -> None:
    """Add to this cluster what *settings* ask for and it lacks; ClusterError with the command to type."""
    planes = control_planes(api)
    if not planes:
        _run_istioctl(api, settings, say)
        planes = control_planes(api)
    if others := _set_otherwise(api, planes[0], settings.asked):
        say(
            f"Istio was here before; its settings stay as they are. Otherwise than asked: {', '.join(others)}"
        )
    for gateway in settings.gateways:
        if api.find(DEPLOYMENTS.path(NAMESPACE, gateway.name)) is None:
            _make(api, gateway, planes[0])
            say(f"{gateway.kind.capitalize()} gateways installed")
    say("Installation complete")


def _set_otherwise(api: Api, plane: ControlPlane, asked: Tree) -> list[str]:
    """The mesh's settings that are not as *asked*."""
    there = dict(leaves(mesh_config(api, plane.config_map)))
    wanted = leaves(asked.get("meshConfig") or {})
    return [f"meshConfig.{path}" for path, value in wanted if there.get(path) != value]


# -------------------------------------------------------------------------------------------- istioctl


def command(api: Api, settings: Settings) -> list[str]:
    """The istioctl command that makes what *settings* ask for."""
    where = [f"--kubeconfig={api.kubeconfig}"] if api.kubeconfig else []
    where += [f"--context={context}"] if (context := context_of_kubectl(api)) else []
    flags = [word for path, value in leaves(settings.asked) for word in ("--set", f"{path}={_text(value)}")]
    return ["istioctl", "install", "-y", *where, *flags]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _run_istioctl(api: Api, settings: Settings, say: Say) -> None:
    words = command(api, settings)
    if shutil.which(words[0]) is None:
        raise ClusterError(
            f"Istio is missing on {api.context or api.host}, "
            "and there is no istioctl here to install it. Type this where there is one (it comes with "
            f"https://istio.io/latest/docs/setup/getting-started/):\n  {shlex.join(words)}"
        )
    api.guard_changes("istioctl", "install")
    say(f"$ {shlex.join(words)}")
    told: list[str] = []  # as it comes: istioctl waits for minutes where pods do not get ready
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace"
    ) as istioctl:
        for line in filter(None, map(str.strip, istioctl.stdout or ())):
            told.append(line)
            if line.startswith("✔"):  # the rest is a picture of a ship, and what it is about to do
                say(line.removeprefix("✔").strip())
    if istioctl.returncode:
        raise ClusterError(f"istioctl failed: {' '.join(told[-3:]) or 'it gave no reason'}")


# -------------------------------------------------------------------------------------------- gateways


def _make(api: Api, gateway: Gateway, plane: ControlPlane) -> None:
    for obj in injected_gateway(gateway, plane):
        path = resource_of(api, obj).path(NAMESPACE, obj["metadata"]["name"])
        query = {"fieldManager": "labkit", "force": True}
        api.request("PATCH", path, query=query, body=obj, content_type=APPLY_PATCH)
    wait_for_rollouts(api, [(NAMESPACE, gateway.name)])


def injected_gateway(gateway: Gateway, plane: ControlPlane) -> Iterator[Obj]:
    """Service and Deployment of a gateway whose proxy istiod injects."""
    metadata = {
        "name": gateway.name,
        "namespace": NAMESPACE,
        "labels": {**gateway.labels, PART_OF: PART_OF_LAB},
    }
    ports = [
        {"name": "http2", "port": 80, "targetPort": 8080},
        {"name": "https", "port": 443, "targetPort": 8443},
    ]
    service = {"type": gateway.service_type, "selector": gateway.labels, "ports": ports}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service}
    deployment = {
        "replicas": gateway.replicas,
        "selector": {"matchLabels": gateway.labels},
        "template": _pods(gateway, plane),
    }
    yield {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": deployment}


def _pods(gateway: Gateway, plane: ControlPlane) -> Obj:
    revision = {} if plane.revision == "default" else {"istio.io/rev": plane.revision}
    labels = {**gateway.labels, "sidecar.istio.io/inject": "true", **revision}
    annotations = {"inject.istio.io/templates": "gateway", **gateway.pod_annotations}
    resources = {"resources": gateway.resources} if gateway.resources else {}
    # What names no tag is pulled anew for each pod, by default: and so would be what istiod puts there.
    container = {"name": "istio-proxy", "image": "auto", "imagePullPolicy": "IfNotPresent", **resources}
    return {
        "metadata": {"labels": labels, "annotations": annotations},
        "spec": {"containers": [container]},
    }
