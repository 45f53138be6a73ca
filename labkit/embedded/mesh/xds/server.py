"""The aggregated discovery service: one bidirectional gRPC stream for each proxy.

Everything happens on the daemon's loop. A stream has one task that reads; whatever is to be sent,
as an answer or because the mesh changed, goes through the stream's queue, so order is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its own words would land in the daemon's log
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # children are started without forking Python

import grpc
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse

SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
METHOD = "StreamAggregatedResources"
_UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
_log = logging.getLogger(__name__)


class Stream:
    """The sending side of one proxy's stream."""

    def __init__(self) -> None:
        self._outbox: asyncio.Queue[DiscoveryResponse | None] = asyncio.Queue()

    def send(self, responses: list[DiscoveryResponse]) -> None:
        """Queue *responses*, in order."""
        for response in responses:
            self._outbox.put_nowait(response)

    def close(self) -> None:
        """End the stream after what is queued; the proxy will come again."""
        self._outbox.put_nowait(None)

    async def responses(self) -> AsyncIterator[DiscoveryResponse]:
        """What was sent, until closed."""
        while (response := await self._outbox.get()) is not None:
            yield response


class Proxies(Protocol):
    """Who keeps the conversations."""

    def received(self, stream: Stream, request: DiscoveryRequest) -> None:
        """A proxy said something; the first request of a stream says who it is."""

    def disconnected(self, stream: Stream) -> None:
        """The stream has ended."""


class AdsServer:
    """Serves *proxies* on a Unix socket, from ``async with`` to its end."""

    def __init__(self, socket: Path, proxies: Proxies) -> None:
        self._socket = socket
        self._proxies = proxies
        self._server: grpc.aio.Server | None = None

    async def __aenter__(self) -> AdsServer:
        self._socket.unlink(missing_ok=True)
        self._server = grpc.aio.server(options=_UNLIMITED)
        handler = grpc.stream_stream_rpc_method_handler(
            self._stream,
            request_deserializer=DiscoveryRequest.FromString,
            response_serializer=DiscoveryResponse.SerializeToString,
        )
        handlers = grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler})
        self._server.add_generic_rpc_handlers((handlers,))
        self._server.add_insecure_port(f"unix:{self._socket}")
        await self._server.start()
        self._socket.chmod(0o600)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        await self._server.stop(grace=None)
        self._socket.unlink(missing_ok=True)

    async def _stream(
        self, requests: AsyncIterator[DiscoveryRequest], _: grpc.aio.ServicerContext
    ) -> AsyncIterator[DiscoveryResponse]:
        stream = Stream()
        reader = asyncio.create_task(self._read(stream, requests))
        try:
            async for response in stream.responses():
                yield response
        finally:
            reader.cancel()
            self._proxies.disconnected(stream)

    async def _read(self, stream: Stream, requests: AsyncIterator[DiscoveryRequest]) -> None:
        try:
            with contextlib.suppress(grpc.aio.BaseError):  # the proxy or this server went meanwhile
                async for request in requests:
                    self._proxies.received(stream, request)
        except Exception:
            _log.exception("a stream is ended by a fault of our own")
        finally:
            stream.close()
