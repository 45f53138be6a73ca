"""Ports 15010 and 15012: what ``istioctl`` asks istiod over xDS.

Proxies have a socket of their own. Here only istiod's debug types are answered, as in ``statusgen.go`` and
``debuggen.go``: nobody is told what a proxy is told, so no certificate leaves by this door. The API server
lets those in who may forward ports of istiod's pod; TLS is there because istioctl insists on it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import grpc
from envoy.admin.v3.config_dump_shared_pb2 import UpdateFailureState
from envoy.config.core.v3.base_pb2 import ControlPlane as ControlPlaneId
from envoy.config.core.v3.base_pb2 import Node
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse
from envoy.service.status.v3.csds_pb2 import ClientConfig, ConfigStatus
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.json_format import ParseDict

from labkit.embedded.mesh.connection import Connection
from labkit.embedded.mesh.debug import config_dump
from labkit.embedded.mesh.fleet import Fleet
from labkit.embedded.mesh.identity.authority import Credential
from labkit.embedded.mesh.xds.conversation import Subscription
from labkit.embedded.mesh.xds.server import METHOD, SERVICE
from labkit.embedded.version import ISTIO_VERSION

DEBUG = "istio.io/debug"
SYNC_STATUS, CONFIG_DUMP = f"{DEBUG}/syncz", f"{DEBUG}/config_dump"
NOT_HERE = (
    "this port of labkit's istiod answers istioctl's questions ({}, {} and {}); proxies are told of their "
    "configuration through a socket of their own, and {!r} is not to be had here"
)
_STATES = {
    "SYNCED": ConfigStatus.SYNCED,
    "STALE": ConfigStatus.STALE,
    "NOT SENT": ConfigStatus.NOT_SENT,
    "NACK": ConfigStatus.ERROR,
}


class DebugDiscovery:
    """Serves the debug types on two Unix sockets, from ``async with`` to its end."""

    def __init__(self, plain: Path, tls: Path, fleet: Fleet, pages: Path, pod: str, own: Credential) -> None:
        """*pages* is the socket of the debug pages; *own* is what istiod shows of itself."""
        self._plain, self._tls, self._fleet, self._pages, self._pod = plain, tls, fleet, pages, pod
        self._credentials = grpc.ssl_server_credentials([(own.key.encode(), own.chain.encode())])
        self._server: grpc.aio.Server | None = None

    async def __aenter__(self) -> DebugDiscovery:
        self._server = grpc.aio.server()
        handler = grpc.stream_stream_rpc_method_handler(
            self._stream,
            request_deserializer=DiscoveryRequest.FromString,
            response_serializer=DiscoveryResponse.SerializeToString,
        )
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),)
        )
        self._unlink()
        self._server.add_insecure_port(f"unix:{self._plain}")
        self._server.add_secure_port(f"unix:{self._tls}", self._credentials)
        await self._server.start()
        for each in (self._plain, self._tls):
            each.chmod(0o600)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        await self._server.stop(grace=None)
        self._unlink()

    def _unlink(self) -> None:
        for each in (self._plain, self._tls):
            each.unlink(missing_ok=True)

    async def _stream(
        self, requests: AsyncIterator[DiscoveryRequest], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[DiscoveryResponse]:
        sent: set[str] = set()
        async for request in requests:
            if request.response_nonce in sent:
                continue  # an acknowledgement; istioctl's first request has a nonce of its own
            nonce = f"{self._pod}/{len(sent)}"
            sent.add(nonce)
            yield DiscoveryResponse(
                version_info=nonce,
                nonce=nonce,
                type_url=request.type_url,
                control_plane=ControlPlaneId(identifier=_identifier(self._pod)),
                resources=await self._resources(request, context),
            )

    async def _resources(
        self, request: DiscoveryRequest, context: grpc.aio.ServicerContext
    ) -> list[AnyMessage]:
        names = list(request.resource_names)
        if request.type_url == SYNC_STATUS:
            return [_packed(_status(each)) for each in self._fleet.connections if each.proxy]
        if request.type_url == CONFIG_DUMP:
            return list(self._config_dump(names))
        if request.type_url == DEBUG and len(names) == 1:
            return [AnyMessage(type_url=DEBUG, value=await self._page(names[0]))]
        if request.type_url == DEBUG:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "exactly one debug request is required")
        what = NOT_HERE.format(SYNC_STATUS, CONFIG_DUMP, DEBUG, request.type_url)
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, what)
        raise AssertionError("abort has raised")

    def _config_dump(self, names: list[str]) -> Iterator[AnyMessage]:
        """Of one proxy; nothing where it is not connected, as istiod has it: another replica may know it."""
        wanted = f"~{names[0]}~" if len(names) == 1 else "~~"
        found = [each for each in self._fleet.connections if wanted in each.node_id]
        for part in config_dump(found[-1]) if found else ():
            yield ParseDict(part, AnyMessage())

    async def _page(self, name: str) -> bytes:
        """The debug page of this *name*, as over HTTP."""
        connector = aiohttp.UnixConnector(str(self._pages))
        async with (
            aiohttp.ClientSession("http://istiod", connector=connector) as session,
            session.get(f"/debug/{name}") as answer,
        ):
            return await answer.read()


def _identifier(pod: str) -> str:
    info = {"version": ISTIO_VERSION, "revision": "labkit", "golang_version": "", "status": "Clean"}
    return json.dumps({"Component": "istiod", "ID": pod, "Info": info | {"tag": ISTIO_VERSION}})


def _packed(config: ClientConfig) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(config)
    return packed


def _status(connection: Connection) -> ClientConfig:
    """One proxy, as ``istioctl proxy-status`` reads it."""
    namespace = connection.short_name.rpartition(".")[2]
    node = Node(id=connection.short_name)
    node.metadata.update({"CLUSTER_ID": "Kubernetes", "NAMESPACE": namespace, "ISTIO_VERSION": ISTIO_VERSION})
    asked = connection.conversation.subscriptions.items()
    configs = [_config(kind.url, each) for kind, each in sorted(asked, key=lambda pair: pair[0].url)]
    return ClientConfig(node=node, generic_xds_configs=configs)


def _config(url: str, subscription: Subscription) -> ClientConfig.GenericXdsConfig:
    config = ClientConfig.GenericXdsConfig(type_url=url, config_status=_STATES[subscription.state])
    if subscription.sent_at:
        config.last_updated.FromNanoseconds(int(subscription.sent_at * 1e9))
    if subscription.error:
        config.error_state.CopyFrom(UpdateFailureState(details=subscription.error))
        config.error_state.last_update_attempt.CopyFrom(config.last_updated)
    return config
