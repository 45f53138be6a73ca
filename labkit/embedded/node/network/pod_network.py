"""The node's half of the pod network: answers the shims' questions on a Unix socket.

The other half is in our own services' processes (``shim/sitecustomize.py``) and beside all other programs
(:mod:`labkit.embedded.node.inside`). It asks one question a connection, in one line of words, and gets one
line back::

    resolve NAMESPACE POD NAME   →  addresses IP…  (none: no such name)  |  host NAME
    endpoint IP PORT             →  to IP PORT  |  direct  |  refused

What is no question gets no answer, and holds until the connection ends, with the program that has it::

    listens IP PORT              a program of the pod with this address, behind a sidecar, takes connections
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from labkit.embedded.interfaces import Client, TcpAddress
from labkit.embedded.low_ports import port_at
from labkit.embedded.node.network import dns
from labkit.embedded.open_ports import OpenPorts


@contextlib.asynccontextmanager
async def serve(client: Client, socket: Path, open_ports: OpenPorts) -> AsyncIterator[None]:
    """Answer on *socket* while the context lasts; *open_ports* is told what programs listen on."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError):
            match question := (await reader.readline()).decode().split():
                case ["listens", address, port]:
                    with open_ports.opened(address, int(port)):
                        await reader.read()
                case _:
                    writer.write(answer(client, question).encode() + b"\n")
                    await writer.drain()
        writer.close()

    socket.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(handle, socket, backlog=512)
    socket.chmod(0o600)
    try:
        yield
    finally:
        server.close()
        socket.unlink(missing_ok=True)


def answer(client: Client, question: list[str]) -> str:
    """The line that answers *question*."""
    match question:
        case ["resolve", namespace, pod, name]:
            found = dns.resolve(client, namespace, pod, name)
            return f"host {found.name}" if isinstance(found, dns.AskHost) else " ".join(["addresses", *found])
        case ["endpoint", address, port]:
            return _way(client, address, int(port))
    raise ValueError(f"no such question: {question}")


def _way(client: Client, address: str, port: int) -> str:
    found = dns.endpoint(client, address, port)
    target = TcpAddress(address, port) if found == "direct" else found
    if not isinstance(target, TcpAddress):
        return target
    there = port_at(target.host, target.port)
    return "direct" if (target.host, there) == (address, port) else f"to {target.host} {there}"
