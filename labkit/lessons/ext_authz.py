"""Istio's ext-authz sample: allows a request with the header ``x-ext-authz: allow``; HTTP 8000, gRPC 9000.

Over gRPC also callers whose service account ``-allow_service_account`` names.
"""

from __future__ import annotations

import argparse
import asyncio
import socket

import grpc.aio
from aiohttp import web
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from google.rpc import code_pb2

from labkit.lessons.http import STOP_SECONDS, say, until_stopped

HEADER, ALLOWED = "x-ext-authz", "allow"
RESULT, RECEIVED = "x-ext-authz-check-result", "x-ext-authz-check-received"
OVERRIDE = "x-ext-authz-additional-header-override"
OVERRIDE_OF_GRPC = "grpc-additional-header-override-value"
DENIED = f"denied by ext_authz for not found header `{HEADER}: {ALLOWED}` in the request"
LONGEST = 60_000
"""Characters of a header that Envoy takes."""


async def _over_http(request: web.Request) -> web.Response:
    body = _short((await request.read()).decode(errors="replace"))
    headers = " ".join(f"{name}:[{value}]" for name, value in request.headers.items())
    seen = f"{request.method} {request.host}{request.path_qs}, headers: map[{headers}], body: [{body}]"
    allowed = request.headers.get(HEADER) == ALLOWED
    say(f"[HTTP][{_word(allowed)}]: {seen}")
    told = {RESULT: _word(allowed), OVERRIDE: request.headers.get(OVERRIDE, ""), RECEIVED: seen}
    return web.Response(status=200 if allowed else 403, text="" if allowed else DENIED, headers=told)


def _word(allowed: bool) -> str:
    return "allowed" if allowed else "denied"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else "<too-long>"


class _Authorization(external_auth_pb2_grpc.AuthorizationServicer):  # type: ignore[misc]
    """The same over gRPC."""

    def __init__(self, account: str) -> None:
        self._account = account

    async def Check(self, request, context):  # type: ignore[no-untyped-def]  # noqa: N802 - gRPC's name
        """Whether a request may pass."""
        attributes = request.attributes
        asked = attributes.request.http
        if HEADER in asked.headers:
            allowed = asked.headers[HEADER] == ALLOWED
        else:
            allowed = attributes.source.principal.endswith(f"/sa/{self._account}")
        seen = " ".join(str(attributes).split())
        say(f"[gRPCv3][{_word(allowed)}]: {asked.host}{asked.path}, attributes: {seen}")
        return _answer(allowed, _short(seen))


def _answer(allowed: bool, seen: str) -> external_auth_pb2.CheckResponse:
    answer = external_auth_pb2.CheckResponse()
    answer.status.code = code_pb2.OK if allowed else code_pb2.PERMISSION_DENIED
    part = answer.ok_response if allowed else answer.denied_response
    told = {RESULT: _word(allowed), RECEIVED: seen, OVERRIDE: OVERRIDE_OF_GRPC}
    for name, value in told.items():
        option = part.headers.add()
        option.header.key, option.header.value = name, value
    if not allowed:
        answer.denied_response.status.code = 403
        answer.denied_response.body = DENIED
    return answer


def _own_address() -> str:
    """What "every interface" is here: gRPC opens its port by itself, not by Python's sockets."""
    with socket.socket() as any_port:
        any_port.bind(("0.0.0.0", 0))
        return str(any_port.getsockname()[0])


async def _serve(http: int, over_grpc: int, account: str) -> None:
    server = grpc.aio.server()
    external_auth_pb2_grpc.add_AuthorizationServicer_to_server(_Authorization(account), server)
    server.add_insecure_port(f"{_own_address()}:{over_grpc}")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", _over_http)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_SECONDS)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", http).start()
    say(f"Starting HTTP server at [::]:{http}")
    await server.start()
    say(f"Starting gRPC server at [::]:{over_grpc}")
    await until_stopped()
    await server.stop(STOP_SECONDS)
    await runner.cleanup()


def main(words: list[str]) -> int:
    """Serve until stopped."""
    parser = argparse.ArgumentParser("ext-authz", allow_abbrev=False)
    parser.add_argument("-http", "--http", type=int, default=8000)
    parser.add_argument("-grpc", "--grpc", type=int, default=9000)
    parser.add_argument("-allow_service_account", "--allow_service_account", default="a")
    options = parser.parse_args(words)
    asyncio.run(_serve(options.http, options.grpc, options.allow_service_account))
    return 0
