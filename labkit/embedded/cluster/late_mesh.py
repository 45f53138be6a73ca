"""The mesh's part of a cluster, imported when it is first needed: while the first Envoys start.

That is a third of all that a cluster is made of: Envoy's API, gRPC, certificates, the translation.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from labkit.embedded.cluster import importing
from labkit.embedded.interfaces import AdmissionRequest, BuiltinContainer, Client, Launch, UnixAddress
from labkit.embedded.mesh.mesh_config import CONFIG_MAP, ROOT_NAMESPACE, is_as_installed
from labkit.embedded.objects import Obj, name_of, namespace_of

PIECES = (
    "cryptography.x509",
    "cryptography.hazmat.primitives.serialization",
    "google.protobuf.json_format",
    "envoy.config.core.v3.base_pb2",
    "envoy.config.cluster.v3.cluster_pb2",
    "envoy.config.listener.v3.listener_pb2",
    "envoy.config.route.v3.route_pb2",
    "envoy.service.discovery.v3.discovery_pb2",
    "grpc",
    "grpc.aio",
    "labkit.embedded.mesh.model",
    "labkit.embedded.mesh.translate.clusters.outbound",
    "labkit.embedded.mesh.translate.listeners.inbound",
    "labkit.embedded.mesh.translate",
    "labkit.embedded.mesh.xds.resources",
    "labkit.embedded.mesh.validation",
    "labkit.embedded.mesh.control_plane",
)
"""What takes longest, in the order of its needs; requests are answered in between."""

QUIET, LONGEST = 0.008, 0.1
"""Seconds without a write until the import begins, and seconds until it begins in any case."""


class Istiod(BuiltinContainer, Protocol):
    """One that serves for all containers, and is told the variables of each."""

    async def run(
        self,
        pod: Obj,
        log: Callable[[str], None],
        ready: Callable[[bool], None],
        environment: Mapping[str, str] | None = None,
    ) -> int: ...


class LateMesh:
    """istiod, for all of its containers."""

    def __init__(self, client: Client, make: Callable[[], Istiod]) -> None:
        """*make* imports istiod where that is not done, and makes it."""
        self._client, self._make = client, make
        self._istiod: Istiod | None = None
        self._importing = asyncio.Lock()

    def container(self, launch: Launch) -> BuiltinContainer:
        """The one that *launch* describes."""
        return _Container(self, launch.environment)

    async def run(
        self,
        pod: Obj,
        log: Callable[[str], None],
        ready: Callable[[bool], None],
        environment: Mapping[str, str],
    ) -> int:
        """istiod, see :mod:`labkit.embedded.mesh.control_plane`."""
        async with self._importing:
            if self._istiod is None:
                await self._lull()
                await importing.in_pieces(PIECES)
                self._istiod = self._make()
        return await self._istiod.run(pod, log, ready, environment)

    async def _lull(self) -> None:
        """Let what is under way come first: a gateway that is applied behind istiod, its Envoy's start."""
        deadline, seen = time.monotonic() + LONGEST, -1
        while self._client.revision != seen and time.monotonic() < deadline:
            seen = self._client.revision
            await asyncio.sleep(QUIET)

    def dial(self, port: int) -> UnixAddress | None:
        """istiod's pages."""
        return self._istiod.dial(port) if self._istiod is not None else None


@dataclass(frozen=True)
class _Container:
    """Implements :class:`labkit.embedded.interfaces.BuiltinContainer`."""

    mesh: LateMesh
    environment: Mapping[str, str]

    async def run(self, pod: Obj, log: Callable[[str], None], ready: Callable[[bool], None]) -> int:
        return await self.mesh.run(pod, log, ready, self.environment)

    def dial(self, port: int) -> UnixAddress | None:
        return self.mesh.dial(port)


def validation(client: Client, request: AdmissionRequest) -> list[str]:
    """What istiod's webhook says, see :mod:`labkit.embedded.mesh.validation`."""
    if not _may_be_wrong(request.resource, request.object):
        return []
    from labkit.embedded.mesh.validation import admission

    return admission(request, client)


def _may_be_wrong(resource: str, obj: Obj) -> bool:
    if resource != "configmaps":
        return resource.endswith(".istio.io")
    return (namespace_of(obj), name_of(obj)) == (ROOT_NAMESPACE, CONFIG_MAP) and not is_as_installed(obj)
