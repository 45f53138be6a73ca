"""A node for tests: a store in a temporary folder, addresses nobody else uses, nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from labkit.embedded.api.access.keys import SigningKey
from labkit.embedded.api.access.token_requests import TokenRequests
from labkit.embedded.api.inprocess import InProcessClient
from labkit.embedded.cluster import network
from labkit.embedded.images import images
from labkit.embedded.interfaces import LogOptions
from labkit.embedded.node.containers.catalogue import Catalogue
from labkit.embedded.node.kubelet import Kubelet
from labkit.embedded.node.network import pod_network
from labkit.embedded.node.processes.run_records import RunRecords
from labkit.embedded.node.scheduling import Scheduler
from labkit.embedded.objects import Obj
from labkit.embedded.store import Store

from .programs import Programs

NAMESPACES = ("default", "other", "kube-node-lease")


@pytest.fixture
def run_dir() -> Iterator[Path]:
    """Short, for the sake of Unix sockets."""
    directory = Path(tempfile.mkdtemp(prefix="lk", dir="/tmp"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def outside_tmp() -> Iterator[Path]:
    """A folder that pods see as the machine does: their ``/tmp`` is their own."""
    with tempfile.TemporaryDirectory(prefix="lk", dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture
def block() -> Iterator[int]:
    """An address block that no other test, in whichever process, and no cluster has meanwhile."""
    number, claim = network.claim_block(random.randrange(100, 250, 2))
    with claim:
        yield number


@pytest.fixture
def records(run_dir: Path) -> Iterator[RunRecords]:
    """Fails the test that leaves a process behind."""
    records = RunRecords(run_dir / "processes")
    yield records
    assert not records.kill_all()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[InProcessClient]:
    store = Store(tmp_path / "cluster.db")
    client = InProcessClient(store)
    for name in NAMESPACES:
        client.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        trust = {"metadata": {"name": "kube-root-ca.crt", "namespace": name}, "data": {"ca.crt": "authority"}}
        client.create("configmaps", trust)
    yield client
    store.close()


@pytest.fixture(scope="session")
def key() -> SigningKey:
    """Signs tokens of ServiceAccounts."""
    return SigningKey()


class Node:
    """A kubelet at work, and the questions tests ask of it."""

    def __init__(self, client: InProcessClient, kubelet: Kubelet) -> None:
        self.client, self.kubelet = client, kubelet

    async def until(self, name: str, holds: Callable[[Obj], bool]) -> Obj:
        """The pod called *name*, as soon as it *holds*."""
        async with asyncio.timeout(20):
            async for event in self.client.watch("pods"):
                if event.object.get("metadata", {}).get("name") == name and holds(event.object):
                    return event.object
        raise AssertionError

    async def gone(self, name: str) -> None:
        """Wait until the pod is no more."""
        async with asyncio.timeout(20):
            async for _ in self.client.watch("pods"):
                if self.client.find("pods", name, "default") is None:
                    return

    async def ready(self, name: str) -> Obj:
        """The pod, once it is Ready."""
        return await self.until(name, is_ready)

    async def log(self, name: str, options: LogOptions | None = None) -> str:
        """A container's log."""
        chunks = [chunk async for chunk in self.kubelet.logs("default", name, options or LogOptions())]
        return b"".join(chunks).decode()

    async def said(self, name: str, text: str, container: str = "") -> str:
        """The log, followed until *text* is in it."""
        log = ""
        options = LogOptions(container=container, follow=True)
        async with asyncio.timeout(10):
            async for chunk in self.kubelet.logs("default", name, options):
                log += chunk.decode()
                if text in log:
                    break
        return log

    def events(self, name: str) -> list[tuple[str, str]]:
        """(reason, message) of the pod's events."""
        events = self.client.list("events")
        return [
            (each["reason"], each["message"]) for each in events if each["involvedObject"]["name"] == name
        ]


def is_ready(pod: Obj) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue(images())


StartNode = Callable[[], contextlib.AbstractAsyncContextManager[Node]]


@pytest.fixture
def start_node(
    client: InProcessClient,
    catalogue: Catalogue,
    tmp_path: Path,
    run_dir: Path,
    records: RunRecords,
    block: int,
    key: SigningKey,
) -> StartNode:
    """Starts a kubelet and a scheduler, each time over the same state; fails where it fails."""

    @contextlib.asynccontextmanager
    async def start() -> AsyncIterator[Node]:
        tokens = TokenRequests(client.store, key)
        kubelet = Kubelet(client, "labkit", tmp_path, run_dir, block, catalogue, tokens, back_off_seconds=0.2)
        parts = [asyncio.create_task(part) for part in (kubelet.run(), Scheduler(client).run())]
        try:
            yield Node(client, kubelet)
        finally:
            for task in reversed(parts):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    return start


@pytest.fixture
async def node(start_node: StartNode) -> AsyncIterator[Node]:
    async with start_node() as node:
        yield node


@pytest.fixture
async def programs(run_dir: Path, records: RunRecords, client: InProcessClient) -> AsyncIterator[Programs]:
    programs = Programs(run_dir, records)
    async with pod_network.serve(client, run_dir / "network.sock", programs.open_ports):
        yield programs
        await programs.stop()


@pytest.fixture
def address(block: int) -> Callable[[int], str]:
    return lambda number: f"127.{block}.9.{number}"
