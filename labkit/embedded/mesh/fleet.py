"""All connected proxies: who each one is, what it was told, and what it said to that.

A proxy says who it is in its first message. That is only a claim: it counts when a live Pod says
the same, and labels are taken from that Pod. Until then the proxy is kept waiting.

A proxy's snapshot is translated and checked whole. If that fails, nothing of it is sent: the proxy
keeps what it has, and its state says why.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse
from google.protobuf.json_format import MessageToDict

from labkit.embedded.mesh import unbindable
from labkit.embedded.mesh.istiod_log import IstiodLog
from labkit.embedded.mesh.model import MeshState, Proxy, Snapshot, node_id
from labkit.embedded.mesh.pods import node_type_of, proxy_container_of
from labkit.embedded.mesh.xds.conversation import Conversation
from labkit.embedded.mesh.xds.resources import Compiler, SnapshotError
from labkit.embedded.mesh.xds.server import Stream
from labkit.embedded.mesh.xds.types import Type
from labkit.embedded.objects import Obj, is_terminating, labels_of

Translate = Callable[[MeshState, Proxy], Snapshot]
"""The pure function from the mesh to what one proxy shall have."""


class Connection:
    """One stream and the proxy behind it."""

    def __init__(self, stream: Stream, conversation: Conversation) -> None:
        self.stream = stream
        self.conversation = conversation
        self.node_id = ""
        self.metadata: Mapping[str, Any] = {}
        self.proxy: Proxy | None = None
        """Set while a live Pod confirms it."""
        self.error = ""
        """Why the proxy has not got the newest snapshot, where it is not the proxy that refused."""
        self.is_leaving = False
        """Whether its pod is being deleted: it is still told everything, but nobody waits for it."""
        self.taken: set[unbindable.Address] = set()
        """Addresses it tried to listen on in vain."""
        self.connected_at = time.time()
        self.answered_revision = 0
        """The newest revision the proxy has answered everything of."""

    def send(self, responses: list[DiscoveryResponse]) -> None:
        self.stream.send(responses)
        if self.conversation.is_settled:
            self.answered_revision = self.conversation.revision


class Fleet:
    """Implements :class:`labkit.embedded.mesh.xds.server.Proxies`."""

    def __init__(self, translate: Translate, log: IstiodLog) -> None:
        self._translate = translate
        self._log = log
        self._compiler = Compiler()
        self._connections: dict[Stream, Connection] = {}
        self._versions = itertools.count(1)
        self._state: MeshState | None = None
        self._revision = 0
        self._news: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def state(self) -> MeshState | None:
        """The mesh as last published."""
        return self._state

    @property
    def revision(self) -> int:
        """The revision of :attr:`state`."""
        return self._revision

    @property
    def connections(self) -> list[Connection]:
        """All that are open, by name."""
        return sorted(self._connections.values(), key=lambda each: each.node_id)

    async def news(self) -> None:
        """Wait until a proxy came, went, said or was told something."""
        await asyncio.shield(self._news)

    async def publish(self, state: MeshState, revision: int, why: str) -> None:
        """Bring *state* to all proxies."""
        begun = time.perf_counter()
        self._state, self._revision = state, revision
        for connection in list(self._connections.values()):
            self._update(connection)
            await asyncio.sleep(0)  # let answers in: with many proxies this takes a while
        self._compiler.end_round()
        self._tell_news()
        took = 1000 * (time.perf_counter() - begun)
        proxies = len(self._connections)
        self._log.info(
            "ads", f"XDS: Pushed {why} to ConnectedEndpoints:{proxies} Version:{revision} in {took:.1f}ms"
        )

    def received(self, stream: Stream, request: DiscoveryRequest) -> None:
        connection = self._connections.get(stream) or self._connect(stream, request)
        if request.HasField("error_detail"):
            self._log_rejection(connection, request)
        connection.send(self._logged(connection, connection.conversation.receive(request)))
        self._give_up_taken_addresses(connection, request.error_detail.message)
        self._tell_news()

    def _give_up_taken_addresses(self, connection: Connection, rejection: str) -> None:
        """What a listener can't have besides the pod's own address, it goes without."""
        taken = unbindable.named_in(rejection) - connection.taken
        if taken and self._state is not None:
            connection.taken |= taken
            listed = ", ".join(f"{host}:{port}" for host, port in sorted(taken))
            self._log.warn(
                "ads", f"{_short(connection.node_id)} goes without {listed}: taken by somebody else"
            )
            self._update(connection)

    def disconnected(self, stream: Stream) -> None:
        connection = self._connections.pop(stream, None)
        if connection is not None:
            self._log.info("ads", f'ADS: "{connection.node_id}" terminated')
            self._tell_news()

    def _connect(self, stream: Stream, request: DiscoveryRequest) -> Connection:
        connection = Connection(stream, Conversation(self._version))
        self._connections[stream] = connection
        connection.node_id = request.node.id
        connection.metadata = MessageToDict(request.node.metadata)
        self._log.info("ads", f"ADS: new connection for node:{connection.node_id}")
        if self._state is not None:
            self._update(connection)
        return connection

    def _update(self, connection: Connection) -> None:
        """Tell the proxy what follows from the present state."""
        assert self._state is not None
        self._identify(connection, self._state)
        if connection.proxy is None:
            return
        try:
            resources = self._translate(self._state, connection.proxy)
            by_type = {kind: resources.of_type(kind.url) for kind in Type}
            by_type[Type.LISTENER] = unbindable.without(by_type[Type.LISTENER], connection.taken)
            found = self._compiler.compile(by_type)
            connection.error = ""
        except Exception as error:
            found, connection.error = None, f"{type(error).__name__}: {error}"
            if isinstance(error, SnapshotError):
                connection.error = str(error)
            self._log.error("ads", f"no push for node:{connection.node_id}: {connection.error}")
        offered = connection.conversation.offer(found, self._revision)
        connection.send(self._logged(connection, offered))

    def _identify(self, connection: Connection, state: MeshState) -> None:
        try:
            claim = Proxy.from_node(connection.node_id, connection.metadata)
            pod = state.pod_of(claim)
            connection.is_leaving = pod is None or is_terminating(pod)
            connection.proxy, connection.error = _confirmed(claim, pod), ""
        except ValueError as error:
            connection.proxy, connection.error = None, str(error)

    def _version(self) -> str:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return f"{now}/{next(self._versions)}"

    def _tell_news(self) -> None:
        told, self._news = self._news, asyncio.get_running_loop().create_future()
        told.set_result(None)

    def _logged(self, connection: Connection, responses: list[DiscoveryResponse]) -> list[DiscoveryResponse]:
        for each in responses:
            kind = Type.of_url(each.type_url)
            service = kind.service if kind else each.type_url
            size = sum(len(resource.value) for resource in each.resources) / 1000
            node, count = _short(connection.node_id), len(each.resources)
            self._log.info("ads", f"{service}: PUSH for node:{node} resources:{count} size:{size:.1f}kB")
        return responses

    def _log_rejection(self, connection: Connection, request: DiscoveryRequest) -> None:
        kind = Type.of_url(request.type_url)
        service = kind.service if kind else request.type_url
        node, reason = _short(connection.node_id), request.error_detail.message
        self._log.warn("ads", f"ADS:{service}: ACK ERROR {node} Internal:{reason}")


def _short(node: str) -> str:
    """``pod.namespace`` of a node id."""
    parts = node.split("~")
    return parts[2] if len(parts) == 4 else node


def _confirmed(claim: Proxy, pod: Obj | None) -> Proxy:
    """*claim* with the labels of *pod*; ValueError where the pod does not bear it out."""
    if pod is None:
        raise ValueError(f"there is no pod {claim.name} in namespace {claim.namespace}")
    container = proxy_container_of(pod)
    address = (pod.get("status") or {}).get("podIP") or ""
    if container is None or not address:
        raise ValueError(f"pod {claim.name} in namespace {claim.namespace} has no proxy, or no address yet")
    kind = node_type_of(container)
    expected = node_id(kind, address, claim.name, claim.namespace)
    if expected != claim.id:
        raise ValueError(f"it calls itself {claim.id}, its pod says {expected}")
    return Proxy(claim.id, kind, claim.name, claim.namespace, address, labels_of(pod), claim.metadata)
