"""istiod as a container that runs inside the daemon.

It has a process's life. Run, it serves proxies and debug pages; cancelled, both are gone, and the
proxies go on with what they have until it is back. Run twice at once (two replicas, or the old and
the new pod of a rollout), the second one waits, ready, until the first has gone: they would serve
the same from the same place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from labkit.embedded.interfaces import Client, UnixAddress
from labkit.embedded.mesh.debug import DebugServer
from labkit.embedded.mesh.fleet import Fleet, Translate
from labkit.embedded.mesh.identity.authority import Authority
from labkit.embedded.mesh.identity.credentials import Credentials, authority_of
from labkit.embedded.mesh.identity.trusted_roots import TrustedRoots
from labkit.embedded.mesh.ingress_status import IngressStatus
from labkit.embedded.mesh.istiod_log import IstiodLog
from labkit.embedded.mesh.kept import KeptObjects
from labkit.embedded.mesh.mesh_config import TRUST_DOMAIN
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.object_status import ObjectStatus
from labkit.embedded.mesh.registry import Registry
from labkit.embedded.mesh.security.fetching import Fetcher
from labkit.embedded.mesh.sync_status import SyncStatus
from labkit.embedded.mesh.tools.bundles import WebhookBundles
from labkit.embedded.mesh.tools.discovery import DebugDiscovery
from labkit.embedded.mesh.tools.webhooks import Fill, WebhookServer
from labkit.embedded.mesh.translate import translate
from labkit.embedded.mesh.validation import admission as validate
from labkit.embedded.mesh.xds.server import AdsServer
from labkit.embedded.objects import Obj, name_of
from labkit.embedded.open_ports import OpenPorts
from labkit.embedded.version import ISTIO_VERSION

DEBUG_PORTS = frozenset({8080, 15014})
PLAIN_XDS, TLS_XDS, WEBHOOKS = TOOL_PORTS = 15010, 15012, 15017
NAMES = ("istiod.istio-system.svc", "istiod.istio-system.svc.cluster.local", "istiod.istio-system")


class ControlPlane:
    """Implements :class:`labkit.embedded.interfaces.BuiltinContainer`; one object serves all replicas."""

    def __init__(
        self,
        client: Client,
        xds_socket: Path,
        debug_socket: Path,
        *,
        translate: Translate = translate,
        inject: Fill = lambda namespace, pod: None,
        open_ports: OpenPorts | None = None,
    ) -> None:
        """*inject* is what stands behind the webhook ``/inject``; *open_ports* are the node's."""
        self._client, self._inject = client, inject
        self._xds_socket = xds_socket
        self._debug_socket = debug_socket
        self._translate = translate
        self._open_ports = open_ports or OpenPorts()
        self._lead = asyncio.Lock()

    async def run(
        self,
        pod: Obj,
        log: Callable[[str], None],
        ready: Callable[[bool], None],
        environment: Mapping[str, str] | None = None,
    ) -> int:
        """Serve until cancelled. *environment*: the variables of the pod's container."""
        lines = IstiodLog(log)
        lines.info("", f"Istio {ISTIO_VERSION}, played by labkit, in pod {name_of(pod)}")
        if self._lead.locked():
            lines.info("leader election", "another istiod serves the proxies; waiting for it to leave")
            ready(True)
        async with self._lead:
            await self._serve(name_of(pod), lines, ready, environment or {})
        return 0

    def dial(self, port: int) -> UnixAddress | None:
        """The debug pages, what istioctl asks, the webhooks."""
        if port in DEBUG_PORTS:
            return UnixAddress(self._debug_socket)
        return UnixAddress(self._socket(port)) if port in TOOL_PORTS else None

    def _socket(self, port: int) -> Path:
        return self._debug_socket.with_name(f"istiod-{port}.sock")

    async def _serve(
        self, pod: str, log: IstiodLog, ready: Callable[[bool], None], environment: Mapping[str, str]
    ) -> None:
        credentials = Credentials(authority_of(self._client, TRUST_DOMAIN, log), log)
        tell = ObjectStatus(self._client, log).tell
        fleet = Fleet(self._translate, log, tell, credentials.secrets_for)
        ingress_status = IngressStatus(self._client, log)
        kept = KeptObjects(self._client, log)

        async def publish(state: MeshState, revision: int, why: str) -> None:
            credentials.follow(state)
            kept.follow(state)
            await fleet.publish(state, revision, why)
            ingress_status.tell(state)

        fetch = Fetcher(self._client).fetch
        registry = Registry(self._client, publish, log, fetch, self._open_ports, environment)
        status = SyncStatus(self._client, registry, fleet, kept)
        async with (
            AdsServer(self._xds_socket, fleet),
            DebugServer(self._debug_socket, fleet, status),
        ):
            log.info("", f"serving ADS at {self._xds_socket}, debug pages at {self._debug_socket}")
            ready(True)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(credentials.renew(fleet.push_again))
                tasks.create_task(TrustedRoots(self._client, credentials.authority.root, log).run())
                tasks.create_task(registry.run())
                tasks.create_task(self._serve_tools(pod, fleet, credentials.authority, log))

    async def _serve_tools(self, pod: str, fleet: Fleet, authority: Authority, log: IstiodLog) -> None:
        """What no proxy needs: it comes when they are served, and need not be waited for."""
        own, pages = authority.issue_for(NAMES), self._debug_socket
        plain, tls, webhooks = (self._socket(port) for port in TOOL_PORTS)
        async with (
            DebugDiscovery(plain, tls, fleet, pages, pod, own),
            WebhookServer(webhooks, own, self._inject, partial(validate, client=self._client)),
        ):
            await WebhookBundles(self._client, authority.root, log).run()
