"""Probes: one attempt at asking a container how it is.

``httpGet`` and ``tcpSocket`` are made over the network as the kubelet makes them. An app behind a
sidecar is asked at its private address, past the proxy, which is what Istio's probe rewriting
comes to. ``exec`` runs its command in the container. ``grpc`` asks a server's service of health.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labkit.embedded.low_ports import port_at
from labkit.embedded.node.containers import grpc_probes
from labkit.embedded.node.processes.commands import Ended
from labkit.embedded.objects import Obj

if TYPE_CHECKING:
    import ssl

RunCommand = Callable[[Sequence[str]], Awaitable[Ended]]

LONGEST_HEAD = 64 * 1024


@dataclass(frozen=True)
class Outcome:
    """What one attempt gave."""

    ok: bool
    message: str = ""


async def attempt(probe: Obj, container: Obj, address: str, run: RunCommand) -> Outcome:
    """Make *probe* of *container*, which listens at *address*, within its ``timeoutSeconds``.

    *run* runs a command in the container.
    """
    seconds = probe.get("timeoutSeconds") or 1
    if action := probe.get("exec"):
        return await _exec([str(each) for each in action.get("command") or []], seconds, run)
    if action := probe.get("grpc"):
        target = f"{address}:{port_at(address, int(action.get('port') or 0))}"
        message = await grpc_probes.ask(action, target, seconds)
        return Outcome(not message, message)
    try:
        async with asyncio.timeout(seconds):
            if action := probe.get("httpGet"):
                return await _http(action, container, address)
            return await _tcp(probe.get("tcpSocket") or {}, container, address)
    except TimeoutError:
        return Outcome(False, f"no answer within {seconds} s (Client.Timeout exceeded)")


async def _exec(command: list[str], seconds: float, run: RunCommand) -> Outcome:
    try:
        async with asyncio.timeout(seconds):
            ended = await run(command)
    except TimeoutError:
        return Outcome(False, f'command timed out: "{" ".join(command)}" timed out after {seconds}s')
    return Outcome(ended.code == 0, ended.output)


async def listens(address: str, port: int) -> bool:
    """Whether something accepts connections at *address*:*port*."""
    return (await _tcp({"port": port}, {}, address)).ok


def port_number(container: Obj, port: int | str) -> int:
    """A probe's port, which may be the name of one of the container's; 0 where there is none such."""
    if isinstance(port, int) or port.isdigit():
        return int(port)
    ports = container.get("ports") or []
    return next((int(entry["containerPort"]) for entry in ports if entry.get("name") == port), 0)


async def _tcp(action: Obj, container: Obj, address: str) -> Outcome:
    target = action.get("host") or address, port_number(container, action.get("port", 0))
    try:
        _, writer = await asyncio.open_connection(target[0], port_at(*target))
    except (OSError, ValueError) as error:  # the latter for a host that can be no name
        return Outcome(False, f"dial tcp {target[0]}:{target[1]}: connect: {_reason(error)}")
    await _close(writer)
    return Outcome(True)


async def _http(action: Obj, container: Obj, address: str) -> Outcome:
    status = await _answer(action, container, address, "kube-probe/1.34")
    if isinstance(status, str):
        return Outcome(False, status)
    if 200 <= status < 400:
        return Outcome(True)
    return Outcome(False, f"HTTP probe failed with statuscode: {status}")


async def call(action: Obj, container: Obj, address: str, agent: str) -> str | None:
    """Make the request of a lifecycle hook; why it could not be made, None where it got any answer."""
    status = await _answer(action, container, address, agent)
    return status if isinstance(status, str) else None


async def _answer(action: Obj, container: Obj, address: str, agent: str) -> int | str:
    """The status of one GET, or why there is none."""
    host, port = action.get("host") or address, port_number(container, action.get("port", 0))
    path = "/" + str(action.get("path") or "").removeprefix("/")
    try:
        return await _status(action, host, port, path, agent)
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        url = f"{action.get('scheme', 'HTTP').lower()}://{host}:{port}{path}"
        return f'Get "{url}": dial tcp {host}:{port}: connect: {_reason(error)}'


async def _status(action: Obj, host: str, port: int, path: str, agent: str) -> int:
    """The status of one GET; like the kubelet, we trust any certificate."""
    context = _any_certificate() if action.get("scheme") == "HTTPS" else None
    where = host, port_at(host, port)
    reader, writer = await asyncio.open_connection(*where, ssl=context, limit=LONGEST_HEAD)
    try:
        writer.write(_request(action, host, port, path, agent))
        line = await reader.readuntil(b"\r\n")
        return int(line.split(None, 2)[1])
    except IndexError as error:
        raise ValueError("malformed HTTP response") from error
    finally:
        await _close(writer)


def _request(action: Obj, host: str, port: int, path: str, agent: str) -> bytes:
    headers = {"Host": f"{host}:{port}", "User-Agent": agent, "Accept": "*/*"}
    headers |= {str(each["name"]): str(each["value"]) for each in action.get("httpHeaders") or []}
    lines = [f"GET {path} HTTP/1.1", *(f"{key}: {value}" for key, value in headers.items())]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode()


def _any_certificate() -> ssl.SSLContext:
    import ssl  # late: no probe of the lab needs it

    return ssl._create_unverified_context()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
