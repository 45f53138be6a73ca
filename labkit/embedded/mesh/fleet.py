"""All connected proxies: who each one is, what it was told, and what it said to that.

A proxy says who it is in its first message. That is only a claim: it counts when a live Pod says
the same, and labels are taken from that Pod. Until then the proxy is kept waiting.

Nothing that is wrong stops anything else. What a snapshot can't hold is left out of it, or stays as it was;
then, and when a proxy refuses something, it is found out which objects are behind that (:mod:`.inquiries`),
and everybody goes on without them (:mod:`.quarantine`).
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping

from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse
from google.protobuf.json_format import MessageToDict

from labkit.embedded.addresses import lowest_port
from labkit.embedded.mesh import unbindable
from labkit.embedded.mesh.connection import Connection, Offer
from labkit.embedded.mesh.inquiries import PATIENCE, Inquiries
from labkit.embedded.mesh.istiod_log import IstiodLog
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.pods import node_id, node_type_of, proxy_container_of
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.quarantine import Fault, Quarantine
from labkit.embedded.mesh.snapshot import Resource, Snapshot
from labkit.embedded.mesh.xds.conversation import Conversation
from labkit.embedded.mesh.xds.resources import Compiler
from labkit.embedded.mesh.xds.server import Stream
from labkit.embedded.mesh.xds.types import Type, by_kind
from labkit.embedded.objects import Obj, is_terminating, labels_of
from labkit.envoy_reasons import reason_first

Translate = Callable[[MeshState, Proxy], Snapshot]
"""The pure function from the mesh to what one proxy shall have."""


Secrets = Callable[[Proxy, MeshState, Snapshot], Mapping[str, Resource]]
"""The certificates of one proxy, by the names it asks for; those of its own, and those its snapshot names."""


class Fleet:
    """Implements :class:`labkit.embedded.mesh.xds.server.Proxies` and :class:`.inquiries.Bench`."""

    def __init__(
        self,
        translate: Translate,
        log: IstiodLog,
        tell: Callable[[list[Fault]], None] = lambda _: None,
        secrets: Secrets = lambda proxy, state, snapshot: {},
    ) -> None:
        """*tell* is called with the faults there are, whenever that may have changed; *secrets* are what a
        proxy is to show and to trust."""
        self._translate = translate
        self._secrets = secrets
        self._log = log
        self._tell = tell
        self._compiler = Compiler(lowest_port())
        self._quarantine = Quarantine()
        self._inquiries = Inquiries(self)
        self._connections: dict[Stream, Connection] = {}
        self._versions = itertools.count(1)
        self._given: MeshState | None = None
        self._state: MeshState | None = None
        self._revision = 0
        self._news: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def state(self) -> MeshState | None:
        """The mesh as last published, without what is faulty."""
        return self._state

    @property
    def revision(self) -> int:
        """The revision of :attr:`state`."""
        return self._revision

    @property
    def faults(self) -> list[Fault]:
        """The objects that are left out, and why."""
        return self._quarantine.faults

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
        self._given, self._revision = state, revision
        self._state = self._quarantine.applied(state)
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

    def push_again(self) -> None:
        """Tell every proxy what has changed though no object did."""
        for connection in list(self._connections.values()):
            self._update(connection)
        self._tell_news()

    def received(self, stream: Stream, request: DiscoveryRequest) -> None:
        connection = self._connections.get(stream) or self._connect(stream, request)
        refused = request.HasField("error_detail")
        if refused:
            request.error_detail.message = reason_first(request.error_detail.message)
            self._log_rejection(connection, request)
        responses = connection.conversation.receive(request)
        if refused and not self._give_up_taken_addresses(connection, request.error_detail.message):
            self._look_into(connection)
        connection.send(self._logged(connection, responses))
        self._tell_news()

    def _give_up_taken_addresses(self, connection: Connection, rejection: str) -> bool:
        """What a listener can't have besides the pod's own address, it goes without."""
        taken = unbindable.named_in(rejection) - connection.taken
        if taken and self._state is not None:
            connection.taken |= taken
            listed = ", ".join(f"{host}:{port}" for host, port in sorted(taken))
            self._log.warn("ads", f"{connection.short_name} goes without {listed}: taken by somebody else")
            self._update(connection)
        return bool(taken)

    def _look_into(self, connection: Connection) -> None:
        """Find out what the proxy refuses, where it does."""
        if connection.proxy is not None and connection.refusals:
            self._inquiries.open(connection, "; ".join(connection.refusals), refused=True)

    def disconnected(self, stream: Stream) -> None:
        connection = self._connections.pop(stream, None)
        if connection is not None:
            if connection.inquiry is not None:
                connection.inquiry.cancel()
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
        if connection.proxy is None or connection.inquiry is not None:
            return
        offer = self.made_of(self._state, connection)
        if offer.problem:
            self._inquiries.open(connection, offer.problem, refused=False)
        if offer.problem != connection.error:
            connection.error = offer.problem
            if offer.problem:
                self._log.error("ads", f"no whole push for node:{connection.node_id}: {offer.problem}")
        self._offer(connection, offer)

    def made_of(self, state: MeshState, connection: Connection) -> Offer:
        assert connection.proxy is not None
        try:
            resources = self._translate(state, connection.proxy)
            by_type = dict(by_kind(resources))
            by_type[Type.SECRET] = self._secrets(connection.proxy, state, resources)
            by_type[Type.LISTENER] = unbindable.without(by_type[Type.LISTENER], connection.taken)
            snapshot = self._compiler.compile(by_type)
        except Exception as error:  # whatever a person wrote: it must not stop all the rest
            return Offer(state, problem=f"{type(error).__name__}: {error}")
        return Offer(state, snapshot, _summary(list(snapshot.faults.values())))

    def _offer(self, connection: Connection, offer: Offer) -> None:
        connection.send(self._logged(connection, connection.offer(offer, self._revision)))

    async def answer(self, connection: Connection, offer: Offer) -> str:
        self._offer(connection, offer)
        try:
            async with asyncio.timeout(PATIENCE):
                while not connection.conversation.is_settled:
                    await self.news()
        except TimeoutError:
            return f"no answer within {PATIENCE:.0f} s"
        return "; ".join(connection.refusals)

    def close(self, connection: Connection, faults: list[Fault]) -> None:
        assert self._given is not None
        for fault in faults:
            self._log.error("model", str(fault))
        self._quarantine.add(faults)
        self._state = self._quarantine.applied(self._given)
        for each in [connection, *self._connections.values()] if faults else [connection]:
            self._update(each)
        self._tell_news()

    def _identify(self, connection: Connection, state: MeshState) -> None:
        try:
            claim = Proxy.from_node(connection.node_id, connection.metadata)
            pod = state.pod_of(claim)
            connection.is_leaving = pod is None or is_terminating(pod)
            connection.proxy = _confirmed(claim, pod)
        except ValueError as error:
            connection.proxy, connection.error = None, str(error)

    def _version(self) -> str:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return f"{now}/{next(self._versions)}"

    def _tell_news(self) -> None:
        self._tell(self.faults)
        told, self._news = self._news, asyncio.get_running_loop().create_future()
        told.set_result(None)

    def _logged(self, connection: Connection, responses: list[DiscoveryResponse]) -> list[DiscoveryResponse]:
        for each in responses:
            kind = Type.of_url(each.type_url)
            service = kind.service if kind else each.type_url
            size = sum(len(resource.value) for resource in each.resources) / 1000
            node, count = connection.short_name, len(each.resources)
            self._log.info("ads", f"{service}: PUSH for node:{node} resources:{count} size:{size:.1f}kB")
        return responses

    def _log_rejection(self, connection: Connection, request: DiscoveryRequest) -> None:
        kind = Type.of_url(request.type_url)
        service = kind.service if kind else request.type_url
        node, reason = connection.short_name, request.error_detail.message
        self._log.warn("ads", f"ADS:{service}: ACK ERROR {node} Internal:{reason}")


def _summary(problems: list[str]) -> str:
    rest = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return problems[0] + rest if problems else ""


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
