"""Pods' ports that an ordinary account may not open: opened all the same, at other ones."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from labkit.embedded import low_ports
from labkit.embedded.addresses import app_address, is_pods
from labkit.embedded.api.inprocess import InProcessClient
from labkit.embedded.interfaces import ExecOptions, TcpAddress
from labkit.embedded.low_ports import meant, moved, port_at
from labkit.embedded.node.containers import probes, sandbox
from labkit.embedded.objects import Obj

from .programs import Programs, create, service, until

if TYPE_CHECKING:
    from conftest import Node

SERVER = """
import socket
with socket.create_server(("0.0.0.0", 80)) as server:
    while True:
        line, _ = server.accept()
        with line:
            line.sendall(f"{server.getsockname()[1]} {line.getsockname()[1]}".encode())
"""
CLIENT = """
import socket, sys
with socket.create_connection((sys.argv[1], 80)) as line:
    print(line.recv(100).decode(), line.getpeername()[1])
"""


@pytest.fixture(autouse=True)
def ordinary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs this may open no port below 1024."""
    for module in (low_ports, sandbox):
        monkeypatch.setattr(module, "lowest_port", lambda: 1024)


def pod(name: str, image: str, **container: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": image, "ports": [{"containerPort": 80}], **container}],
        },
    }


async def typed(node: Node, name: str, *words: str) -> str:
    """What a command prints in a pod."""
    output: list[bytes] = []

    async def keep(_: str, data: bytes) -> None:
        output.append(data)

    session = node.kubelet.exec("default", name, ExecOptions("main", words))
    await session.start()
    async with asyncio.timeout(20):
        await session.run(keep)
    await session.close()
    return b"".join(output).decode().strip()


@pytest.mark.parametrize(
    ("port", "lowest", "there"),
    [
        *((80, 1024, 61080), (1023, 1024, 62023), (80, 81, 61080), (4535, 9000, 65535)),
        *((1024, 1024, 1024), (80, 80, 80), (80, 1, 80), (0, 1024, 0), (61080, 1024, 61080)),
        (4536, 9000, 4536),
    ],
)
def test_a_port_below_the_lowest_is_moved(port: int, lowest: int, there: int) -> None:
    assert moved(port, lowest) == there
    if there != port:
        assert meant(there, lowest) == port
    assert meant(8080, lowest) == 8080


@pytest.mark.parametrize("host", ["127.42.0.2", "127.43.127.254", "127.252.1.1"])
def test_pods_ports_are_moved(host: str) -> None:
    assert is_pods(host)
    assert port_at(host, 80) == 61080
    assert port_at(host, 80, lowest=1) == 80


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.10.0.1", "127.42.255.1", "10.42.0.2", "web", "127.42.0.x", "", "::1"]
)
def test_nobody_elses_are(host: str) -> None:
    assert port_at(host, 80) == 80


async def test_httpbin_listens_on_80_and_is_reached_there(node: Node, client: InProcessClient) -> None:
    probe = {"httpGet": {"path": "/status/200", "port": 80}}
    node.client.create("pods", pod("web", "kennethreitz/httpbin", readinessProbe=probe))
    address = str((await node.ready("web"))["status"]["podIP"])
    slices = service("httpbin", "127.10.7.7", 8000, address)
    slices[1]["ports"][0]["port"] = 80
    create(client, slices)
    assert node.kubelet.dial("default", "web", 80) == TcpAddress(address, 61080)
    assert node.kubelet.inside("default", "web", 80) == [TcpAddress(address, 61080)]
    code = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}"]
    for place in ("httpbin:8000", f"{address}:80", f"{address}", "localhost", "127.0.0.1:80", "web"):
        assert await typed(node, "web", *code, f"http://{place}/status/418") == "418", place
    assert not [each for each in node.events("web") if each[0] in ("PortsNotAllowed", "Unhealthy")]


async def test_any_program_reads_the_port_that_it_meant(node: Node) -> None:
    """Both ends under a supervisor."""
    server = {"command": ["sh", "-c", 'exec python3 -c "$0"', SERVER]}
    node.client.create("pods", pod("any", "busybox", **server))
    address = str((await node.ready("any"))["status"]["podIP"])
    for host in ("localhost", "0.0.0.0", address):
        words = ("sh", "-c", 'python3 -c "$0" "$1"', CLIENT, host)
        assert await typed(node, "any", *words) == "80 80 80", host


async def test_our_own_programs_do(programs: Programs, address: Callable[[int], str]) -> None:
    """Both ends with the shim."""
    here = replace(programs.place("ours", address(2), sidecar=False), lowest_port=1024).shim_environment()
    programs.start("server", [sys.executable, "-c", SERVER], here)
    await until(lambda: probes.listens(address(2), 80))
    client = programs.start("client", [sys.executable, "-c", CLIENT, "localhost"], here)
    assert await client.exited == 0
    assert programs.output["client"].split()[:2] == ["80", "80"]


def test_the_app_behind_a_sidecar_is_moved_as_its_pod_is() -> None:
    assert port_at(app_address("127.42.0.2"), 80) == port_at("127.42.0.2", 80)
