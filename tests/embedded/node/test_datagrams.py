"""Datagrams of pods' programs: to a pod, to a Service's address, and to the pod itself."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from labkit.embedded.interfaces import ProcessCommand
from labkit.embedded.node.containers.catalogue import Catalogue, ProcessImage
from labkit.embedded.objects import Obj

if TYPE_CHECKING:
    from conftest import Node

SERVER = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
    server.bind(("", 80))
    print("open", flush=True)
    while True:
        said, whom = server.recvfrom(100)
        server.sendto(b"you said " + said, whom)
"""
CONNECTED = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.settimeout(10)
    client.connect((sys.argv[1], 80))
    client.send(b"hello")
    print(client.recv(100).decode(), flush=True)
"""
UNCONNECTED = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.settimeout(10)
    client.sendto(b"hello", (sys.argv[1], 80))
    print(client.recv(100).decode(), flush=True)
"""


OWN_ADDRESS = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.connect((sys.argv[1], 81))
    print(client.getsockname()[0], flush=True)
    try:
        client.send(b"hello")
        client.recv(100)
    except ConnectionRefusedError:
        print("nobody there", flush=True)
"""


@pytest.fixture
def catalogue() -> Catalogue:
    """One image: Python, that runs the container's arguments."""
    python = ProcessImage(lambda launch: ProcessCommand([sys.executable, *launch.container["args"]]))
    return Catalogue({"test/python": python})


def pod(name: str, *args: str) -> Obj:
    container = {"name": "main", "image": "test/python", "args": list(args)}
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container]},
    }


async def serve(node: Node) -> tuple[str, str]:
    """The address of a pod that answers, and of a Service before it."""
    node.client.create("pods", pod("server", "-c", SERVER))
    address = (await node.ready("server"))["status"]["podIP"]
    await node.said("server", "open")
    port = {"name": "udp", "port": 80, "protocol": "UDP"}
    made = node.client.create(
        "services", {"metadata": {"name": "s", "namespace": "default"}, "spec": {"ports": [port]}}
    )
    labels = {"kubernetes.io/service-name": "s"}
    node.client.create(
        "endpointslices.discovery.k8s.io",
        {
            "metadata": {"name": "s-1", "namespace": "default", "labels": labels},
            "addressType": "IPv4",
            "ports": [port],
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        },
    )
    return address, made["spec"]["clusterIP"]


@pytest.mark.parametrize("script", [CONNECTED, UNCONNECTED], ids=["connected", "unconnected"])
@pytest.mark.parametrize("by_service", [True, False], ids=["service", "pod"])
async def test_datagrams_reach_a_pod(node: Node, script: str, by_service: bool) -> None:
    address, service = await serve(node)
    node.client.create("pods", pod("client", "-c", script, service if by_service else address))
    await node.until("client", lambda seen: seen.get("status", {}).get("phase") == "Succeeded")
    assert await node.log("client") == "you said hello\n"


async def test_a_program_may_ask_which_address_it_has(node: Node) -> None:
    _, service = await serve(node)
    node.client.create("pods", pod("client", "-c", OWN_ADDRESS, service))
    seen = await node.until("client", lambda each: each.get("status", {}).get("phase") == "Succeeded")
    assert await node.log("client") == f"{seen['status']['podIP']}\nnobody there\n"
