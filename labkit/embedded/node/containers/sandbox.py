"""What the containers of one pod share: its object, its addresses, its network, its tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

from labkit.embedded.addresses import ADMIN_SOCKET, OUTBOUND_SOCKET, app_address, lowest_port
from labkit.embedded.node.containers import capture, trust
from labkit.embedded.node.containers.catalogue import ProcessImage
from labkit.embedded.node.containers.context import NodeContext
from labkit.embedded.node.inside import capabilities
from labkit.embedded.node.inside.node import Place
from labkit.embedded.node.inside.start import Inside
from labkit.embedded.node.volumes import volumes
from labkit.embedded.objects import Obj, name_of, namespace_of

DEFAULT_GRACE = 30
ROOT = "root"
"""The empty folder, in a pod's own, where its programs' file system is put together."""


class Sandbox:
    """The pod as its containers see it."""

    def __init__(self, node: NodeContext, pod: Obj, pod_ip: str, changed: Callable[[], None]) -> None:
        self.node, self.pod, self.pod_ip, self.changed = node, pod, pod_ip, changed
        containers = pod.get("spec", {}).get("containers") or []
        self._sidecar = next((each["name"] for each in containers if self._is_proxy(each, "sidecar")), None)
        self._gateway = next((each["name"] for each in containers if self._is_proxy(each, "router")), None)
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def has_sidecar(self) -> bool:
        """Whether an Envoy stands before its programs."""
        return self._sidecar is not None

    @property
    def has_init_containers(self) -> bool:
        """Whether containers run before its others."""
        return bool(self.pod.get("spec", {}).get("initContainers"))

    @property
    def app_ip(self) -> str:
        """Where the pod's own programs listen."""
        return app_address(self.pod_ip) if self.has_sidecar else self.pod_ip

    @property
    def grace(self) -> float:
        """Seconds between SIGTERM and SIGKILL."""
        return float(self.pod.get("spec", {}).get("terminationGracePeriodSeconds", DEFAULT_GRACE))

    def place(self, container: str) -> Place:
        """Where in the cluster's network *container* is; a proxy's own connections go through no proxy."""
        proxy = self._sidecar or self._gateway
        outbound = self.run_dir(self._sidecar) / OUTBOUND_SOCKET if self._sidecar else ""
        return Place(
            socket=str(self.node.network_socket),
            namespace=namespace_of(self.pod),
            pod=name_of(self.pod),
            pod_ip=self.pod_ip,
            app_ip=self.app_ip,
            sidecar="" if container == self._sidecar else str(outbound),
            outbound_rules=capture.outbound_rules(self.pod),
            admin=str(self.run_dir(proxy) / ADMIN_SOCKET) if proxy else "",
            lowest_port=lowest_port(),
        )

    def inside(self, spec: Obj, needed: Iterable[Path] = ()) -> Inside:
        """What a program of the container *spec* finds; MountError where a volume can't be had.

        needed: folders and files of the host without which its programs don't run.
        """
        folder = self.node.pod_run_dir(self.pod)
        needed = [*needed, self.node.network_socket]  # which Python asks itself where there is no supervisor
        mounts = volumes.mounts(self.node.sources, self.pod, spec, self.pod_ip, folder, needed)
        top = folder / ROOT
        top.mkdir(parents=True, exist_ok=True)
        directory = str(spec.get("workingDir") or "")
        may = capabilities.kept(spec.get("securityContext") or {})
        return Inside(self.place(spec["name"]), mounts, str(top), directory, may)

    def refresh_volumes(self) -> None:
        """Have the pod's volumes hold what their sources hold now."""
        volumes.refresh(self.node.sources, self.pod, self.pod_ip, self.node.pod_run_dir(self.pod))

    def renew_tokens(self) -> None:
        """Have the pod's volumes hold new tokens in place of those that are about to end."""
        if self.node.tokens.are_due(self.pod):
            self.refresh_volumes()

    def run_dir(self, container: str) -> Path:
        """The folder in which *container* runs."""
        return self.node.pod_run_dir(self.pod) / container

    def trust_environment(self) -> dict[str, str]:
        """What lets programs trust the outside world that the lab plays, and all that the machine trusts."""
        return trust.environment(self.node.client, self.node.pod_run_dir(self.pod))

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run *work* beside; :meth:`close` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for what was spawned."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _is_proxy(self, container: Obj, role: str) -> bool:
        image = self.node.catalogue.find(container["image"])
        return isinstance(image, ProcessImage) and image.is_proxy and role in (container.get("args") or [])
