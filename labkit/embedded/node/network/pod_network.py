"""The node's half of the pod network: answers the shims' questions on a Unix socket.

The other half is in our own services' processes (``shim/sitecustomize.py``) and beside all other programs
(:mod:`labkit.embedded.node.inside`). It asks one question a connection, in one line of words, and gets one
line back::

    resolve NAMESPACE POD NAME   →  addresses IP…  (none: no such name)  |  host NAME
    endpoint IP PORT SOURCE TCP  →  to IP PORT  |  direct  |  refused   (or UDP; SOURCE is the pod's own IP)

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
from labkit.embedded.node.network.kube_proxy import KubeProxy
from labkit.embedded.open_ports import OpenPorts


@contextlib.asynccontextmanager
async def serve(client: Client, socket: Path, open_ports: OpenPorts) -> AsyncIterator[None]:
    """Answer on *socket* while the context lasts; *open_ports* is told what programs listen on."""
    proxy = KubeProxy(client)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError):
            match question := (await reader.readline()).decode().split():
                case ["listens", address, port]:
                    with open_ports.opened(address, int(port)):
                        await reader.read()
                case _:
                    writer.write(answer(client, proxy, question).encode() + b"\n")
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


def answer(client: Client, proxy: KubeProxy, question: list[str]) -> str:
    """The line that answers *question*."""
    match question:
        case ["resolve", namespace, pod, name]:
            found = dns.resolve(client, namespace, pod, name)
            return f"host {found.name}" if isinstance(found, dns.AskHost) else " ".join(["addresses", *found])
        case ["endpoint", address, port, source, protocol]:
            return _way(proxy, TcpAddress(address, int(port)), source, protocol)
    raise ValueError(f"no such question: {question}")


def _way(proxy: KubeProxy, asked: TcpAddress, source: str, protocol: str) -> str:
    found = proxy.way(asked.host, asked.port, protocol=protocol, source=source)
    target = asked if found == "direct" else found
    if not isinstance(target, TcpAddress):
        return target
    there = port_at(target.host, target.port)
    return "direct" if (target.host, there) == (asked.host, asked.port) else f"to {target.host} {there}"
