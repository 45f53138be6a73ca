"""The parts of the cluster, put together: each meets the others only through what it is given here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from labkit.embedded.api import bootstrap
from labkit.embedded.api.access.keys import SigningKey
from labkit.embedded.api.access.token_requests import TokenRequests
from labkit.embedded.api.inprocess import InProcessClient
from labkit.embedded.api.kinds import catalogue
from labkit.embedded.api.objects import stored
from labkit.embedded.api.reviewed import ReviewedClient
from labkit.embedded.api.server import ApiServer
from labkit.embedded.api.types.registry import Registry
from labkit.embedded.api.types.views import Kinds, Namespaced
from labkit.embedded.cluster import late_mesh
from labkit.embedded.cluster.certificates import Certificates
from labkit.embedded.cluster.client_authority import ClientAuthority
from labkit.embedded.controllers import ControllerManager
from labkit.embedded.controllers.autoscaling_metrics import Measure
from labkit.embedded.controllers.certificate_signing import Sign
from labkit.embedded.controllers.injection import Injection
from labkit.embedded.images import images
from labkit.embedded.images.own import own_images
from labkit.embedded.interfaces import Client
from labkit.embedded.mesh.bootstrap import proxy_image
from labkit.embedded.mesh.programs import pilot_discovery
from labkit.embedded.node.containers.catalogue import BuiltinImage, Catalogue, Image, ProcessImage
from labkit.embedded.node.kubelet import Kubelet
from labkit.embedded.node.scheduling import Scheduler
from labkit.embedded.store import Store

NODE_NAME = "labkit"
OPENED_PORTS = {"name": "labkit-load-balancer", "namespace": "kube-public"}

log = logging.getLogger("labkit.embedded.cluster")


@dataclass(frozen=True)
class Plan:
    """What a cluster is given: its files, its keys, its share of the machine's network."""

    database: Path
    node: Path
    run: Path
    images: Path
    """What the learner has entered, see :mod:`labkit.images`."""
    block: int
    token: str
    key: SigningKey
    certificates: Certificates
    ports: dict[str, int]
    """``http`` and ``https``: what a load balancer can open here."""


class Cluster:
    """All parts, running from ``async with`` to its end."""

    def __init__(self, plan: Plan, listener: socket.socket) -> None:
        self._plan, self._listener = plan, listener
        self._tasks: list[asyncio.Task[None]] = []
        registry = catalogue.registry(())
        self._store = Store(plan.database, partial(stored.check, registry), stored.FIRST)
        self._client = InProcessClient(self._store, registry=registry)
        self._injection = Injection(self._client)
        self._client.add_admission(self._injection)
        self._client.add_admission(bootstrap.IstioDefinitions(self._client))
        self._client.add_validation(partial(late_mesh.validation, self._client))
        tokens = TokenRequests(self._store, plan.key)
        places = (plan.node, plan.run, plan.block)
        self._kubelet = Kubelet(self._client, NODE_NAME, *places, self._catalogue(), tokens)
        self._reviewed = ReviewedClient(self._client)
        self._clients = ClientAuthority(plan.certificates.authority.parent)
        self._controllers = _controllers(
            self._reviewed, registry, plan, self._kubelet.usage, self._clients.sign
        )
        self._api = ApiServer(self._client, self._kubelet, plan.token, plan.key)
        self._reviewed.asks = self._api.webhooks

    @property
    def notes(self) -> list[str]:
        """What was found wrong with the store when it was opened, a sentence each."""
        return self._store.notes

    def _catalogue(self) -> Catalogue:
        xds, debug = self._plan.run / "xds.sock", self._plan.run / "istiod.sock"
        istiod = late_mesh.LateMesh(self._client, partial(self._control_plane, xds, debug))
        mesh: dict[str, Image] = {
            "istio/proxyv2:*": ProcessImage(proxy_image(xds), is_proxy=True),
            "istio/pilot:*": BuiltinImage(istiod.container, pilot_discovery(debug)),
        }
        return Catalogue(mesh | images(), own_images(self._plan.images))

    def _control_plane(self, xds: Path, debug: Path) -> late_mesh.Istiod:
        from labkit.embedded.mesh.control_plane import ControlPlane

        open_ports = self._kubelet.open_ports
        return ControlPlane(self._client, xds, debug, inject=self._injection.fill, open_ports=open_ports)

    async def __aenter__(self) -> Cluster:
        self._client.definitions.look()
        bootstrap.ensure(self._client, *self._listener.getsockname())
        _publish_ports(self._client, self._plan.ports)
        self._run("controllers", self._controllers.run())
        self._run("node", self._kubelet.run())
        self._run("scheduler", Scheduler(self._client).run())
        await self.until(self._kubelet.synced)
        tls = _tls(self._plan.certificates)
        self._clients.open(tls)
        await self._api.start(self._listener, tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The API first, so that nobody watches the pods end; the node last, so that nothing makes new ones.
        await self._api.stop()
        for task in reversed(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        self._store.close()

    def _run(self, name: str, part: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(part, name=name))

    async def until(self, event: asyncio.Event) -> None:
        """Wait for *event*; raises what a part died of, if one does before that."""
        waiting = asyncio.create_task(event.wait())
        done, _ = await asyncio.wait([waiting, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        for task in done - {waiting}:
            task.result()
            raise RuntimeError(f"{task.get_name()} ended by itself")


def _controllers(
    client: Client, registry: Registry, plan: Plan, measure: Measure, sign: Sign
) -> ControllerManager:
    authority = plan.certificates.authority.read_text()
    kinds, namespaced = Kinds(registry), Namespaced(registry)
    return ControllerManager(client, plan.block, kinds, namespaced, authority, measure, sign)


def _tls(certificates: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    return context


def _publish_ports(client: Client, ports: dict[str, int]) -> None:
    """Say in the API which ports a load balancer can have here, for whoever installs one."""
    wanted = {"metadata": dict(OPENED_PORTS), "data": {name: str(port) for name, port in ports.items()}}
    if client.find("configmaps", **OPENED_PORTS) is None:
        client.create("configmaps", wanted)
    else:
        client.update("configmaps", wanted)
