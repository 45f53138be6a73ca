"""``grpc`` probes: one question to the service ``grpc.health.v1.Health`` of a container."""

from __future__ import annotations

import asyncio
from typing import Any

from labkit.embedded.objects import Obj

_METHOD = "/grpc.health.v1.Health/Check"
_STATUSES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
_SERVING = 1
_OPTIONS = (("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1))
_LONGEST_NAME = 16 * 1024


async def ask(action: Obj, target: str, seconds: float) -> str:
    """What is wrong with the server at *target*; empty where it serves. In the kubelet's words."""
    return await asyncio.to_thread(_ask, action, target, seconds)


def _ask(action: Obj, target: str, seconds: float) -> str:
    import grpc  # late: hardly a pod has such a probe

    with grpc.insecure_channel(target, options=_OPTIONS) as channel:
        try:
            answer = channel.unary_unary(_METHOD)(_request(str(action.get("service") or "")), timeout=seconds)
        except grpc.RpcError as error:
            return _refusal(error, target, seconds)
    status = _status(answer)
    return "" if status == _SERVING else f'service unhealthy (responded with "{_named(status)}")'


def _refusal(error: Any, target: str, seconds: float) -> str:
    code, details = error.code().name, error.details()
    if code == "UNIMPLEMENTED":
        lacks = "this server does not implement the grpc health protocol (grpc.health.v1.Health)"
        return f"error: {lacks}: {details}"
    if code == "DEADLINE_EXCEEDED":
        return f"timeout: health rpc did not complete within {seconds:g}s"
    if code == "UNAVAILABLE":
        return f'timeout: failed to connect service "{target}" within {seconds:g}s: {details}'
    return f"error: health rpc probe failed: {details}"


def _request(service: str) -> bytes:
    """A ``HealthCheckRequest``: its one field is the service's name."""
    name = service.encode()[:_LONGEST_NAME]
    return b"\x0a" + _varint(len(name)) + name if name else b""


def _varint(number: int) -> bytes:
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _status(answer: bytes) -> int:
    """Of a ``HealthCheckResponse``, whose one field is a small number; 0 where it says nothing."""
    return answer[1] if len(answer) >= 2 and answer[0] == 0x08 else 0


def _named(status: int) -> str:
    return _STATUSES[status] if status < len(_STATUSES) else str(status)
