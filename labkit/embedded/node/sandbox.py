"""What the containers of one pod share: its object, its addresses, its network, its tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from labkit.embedded.addresses import API_SERVICE_IP, OUTBOUND_SOCKET, app_address
from labkit.embedded.node import capture, pod_network
from labkit.embedded.node.catalogue import ProcessImage
from labkit.embedded.node.context import NodeContext
from labkit.embedded.objects import Obj, name_of, namespace_of

DEFAULT_GRACE = 30
API_PORT = "443"


class Sandbox:
    """The pod as its containers see it."""

    def __init__(self, node: NodeContext, pod: Obj, pod_ip: str, changed: Callable[[], None]) -> None:
        self.node, self.pod, self.pod_ip, self.changed = node, pod, pod_ip, changed
        containers = pod.get("spec", {}).get("containers") or []
        self._sidecar = next((each["name"] for each in containers if self._is_sidecar(each)), None)
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def has_sidecar(self) -> bool:
        """Whether an Envoy stands before its programs."""
        return self._sidecar is not None

    @property
    def app_ip(self) -> str:
        """Where the pod's own programs listen."""
        return app_address(self.pod_ip) if self.has_sidecar else self.pod_ip

    @property
    def grace(self) -> float:
        """Seconds between SIGTERM and SIGKILL."""
        return float(self.pod.get("spec", {}).get("terminationGracePeriodSeconds", DEFAULT_GRACE))

    def network_environment(self) -> dict[str, str]:
        """The variables that put a program into the pod's network."""
        return pod_network.shim_environment(
            self.node.network_socket,
            namespace=namespace_of(self.pod),
            pod=name_of(self.pod),
            pod_ip=self.pod_ip,
            app_ip=self.app_ip,
            sidecar=self.run_dir(self._sidecar) / OUTBOUND_SOCKET if self._sidecar else None,
            outbound_rules=capture.outbound_rules(self.pod),
        )

    def run_dir(self, container: str) -> Path:
        """The folder in which *container* runs."""
        return self.node.pod_run_dir(self.pod) / container

    def service_environment(self) -> dict[str, str]:
        """Where the API is, as every container is told."""
        service = self.node.client.find("services", "kubernetes", "default") or {}
        return {
            "KUBERNETES_SERVICE_HOST": str(service.get("spec", {}).get("clusterIP", API_SERVICE_IP)),
            "KUBERNETES_SERVICE_PORT": API_PORT,
            "KUBERNETES_SERVICE_PORT_HTTPS": API_PORT,
        }

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run *work* beside; :meth:`close` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for what was spawned."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _is_sidecar(self, container: Obj) -> bool:
        image = self.node.catalogue.find(container["image"])
        return (
            isinstance(image, ProcessImage) and image.is_proxy and "sidecar" in (container.get("args") or [])
        )
