"""Pods that may not be, or may not be for long; and a node that was deleted."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from labkit.embedded.api.inprocess import InProcessClient
from labkit.embedded.interfaces import Launch, LogOptions, ProcessCommand
from labkit.embedded.node.containers.catalogue import Catalogue, ProcessImage
from labkit.embedded.node.processes.run_records import RunRecords
from labkit.embedded.objects import Obj, condition_of, mutable

if TYPE_CHECKING:
    from conftest import Node, StartNode

DEADLINE = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


@pytest.fixture
def catalogue(catalogue: Catalogue, outside_tmp: Path) -> Catalogue:
    def described(launch: Launch) -> ProcessCommand:
        script = f"echo {launch.container['name']} >> {outside_tmp}/started; echo up; exec sleep 60"
        return ProcessCommand(["/bin/sh", "-c", script])

    catalogue.add("test/sleep", ProcessImage(described))
    catalogue.add("test/proxy", ProcessImage(described, is_proxy=True))
    catalogue.add("test/crash", ProcessImage(lambda _: ProcessCommand(["/bin/false"])))
    return catalogue


def pod(name: str, *images: str, annotations: dict[str, str] | None = None, **spec: Any) -> Obj:
    containers = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
    metadata = {"name": name, "namespace": "default", "annotations": annotations or {}}
    return {
        "metadata": metadata,
        "spec": {"terminationGracePeriodSeconds": 5, "containers": containers, **spec},
    }


def phase(seen: Obj) -> str:
    return str(seen["status"].get("phase"))


def outcome(seen: Obj) -> tuple[str, str, str]:
    return phase(seen), seen["status"].get("reason", ""), seen["status"].get("message", "")


class TestDeadline:
    """``activeDeadlineSeconds``"""

    @pytest.mark.parametrize("images", [("test/sleep",), ("test/sleep", "test/proxy"), ("test/crash",)])
    async def test_a_pod_ends_when_its_time_is_up(
        self, node: Node, records: RunRecords, images: tuple[str, ...]
    ) -> None:
        node.client.create("pods", pod("p", *images, activeDeadlineSeconds=1))
        seen = await node.until("p", lambda seen: phase(seen) == "Failed")
        assert outcome(seen) == ("Failed", *DEADLINE)
        assert records.alive() == [], "nothing of it runs any more once it is Failed"
        assert DEADLINE in node.events("p")
        ready = condition_of(seen, "Ready") or {}
        assert (ready["status"], ready["reason"]) == ("False", "PodFailed")

    async def test_what_never_started(self, node: Node) -> None:
        init = [{"name": "first", "image": "test/sleep"}]
        node.client.create("pods", pod("p", "somebody/nothing", activeDeadlineSeconds=1))
        node.client.create("pods", pod("q", "test/sleep", initContainers=init, activeDeadlineSeconds=1))
        for name in ("p", "q"):
            seen = await node.until(name, lambda seen: phase(seen) == "Failed")
            assert outcome(seen) == ("Failed", *DEADLINE)

    async def test_it_may_be_set_while_the_pod_runs(self, node: Node) -> None:
        node.client.create("pods", pod("p", "test/sleep"))
        await node.ready("p")
        await node.said("p", "up")
        node.client.patch("pods", "p", "default", {"spec": {"activeDeadlineSeconds": 1}})
        seen = await node.until("p", lambda seen: phase(seen) == "Failed")
        assert outcome(seen) == ("Failed", *DEADLINE)
        assert await node.log("p", LogOptions(follow=True)) == "up\n"

    async def test_the_node_may_be_away_meanwhile(
        self, client: InProcessClient, start_node: StartNode, outside_tmp: Path
    ) -> None:
        client.create("pods", pod("p", "test/sleep", activeDeadlineSeconds=3600))
        async with start_node() as node:
            before = mutable(await node.ready("p"))
            await node.said("p", "up")
        before["status"]["startTime"] = "2020-01-01T00:00:00Z"
        client.update_status("pods", before)
        async with start_node() as node:
            seen = await node.until("p", lambda seen: phase(seen) == "Failed")
            assert outcome(seen) == ("Failed", *DEADLINE)
        assert (outside_tmp / "started").read_text() == "c0\n", "it was not started again"
        client.create("pods", pod("q", "test/sleep"))
        async with start_node() as node:
            await node.ready("q")
            assert await node.log("p") == "up\n"
        assert outcome(client.get("pods", "p", "default")) == ("Failed", *DEADLINE)


class TestRejection:
    """Pods that name their node themselves, past the scheduler."""

    @pytest.mark.parametrize(
        ("spec", "reason", "message"),
        [
            (
                {"resources": {"requests": {"cpu": "500"}}},
                "OutOfcpu",
                "Node didn't have enough resource: cpu, requested: 500000, used: 0, capacity: {cpu}",
            ),
            (
                {"nodeSelector": {"disk": "ssd"}},
                "NodeAffinity",
                "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
            ),
        ],
    )
    async def test_what_the_node_can_not_take(
        self, node: Node, spec: dict[str, Any], reason: str, message: str
    ) -> None:
        made = pod("p", "test/sleep", nodeName="labkit")
        made["spec"]["containers"][0] |= {"resources": spec.pop("resources", {})}
        made["spec"] |= spec
        node.client.create("pods", made)
        seen = await node.until("p", lambda seen: phase(seen) == "Failed")
        capacity = int(node.client.get("nodes", "labkit")["status"]["allocatable"]["cpu"]) * 1000
        message = message.format(cpu=capacity)
        assert outcome(seen) == ("Failed", reason, f"Pod was rejected: {message}")
        assert node.events("p") == [(reason, message)]

    async def test_what_it_can(self, node: Node) -> None:
        node.client.create("pods", pod("p", "test/sleep", nodeName="labkit"))
        await node.ready("p")


class TestNode:
    """The Node object."""

    async def test_a_deleted_node_registers_itself_again(self, node: Node, records: RunRecords) -> None:
        node.client.create("pods", pod("p", "test/sleep"))
        await node.ready("p")
        await node.said("p", "up")
        (process,) = records.alive()
        before = node.client.get("nodes", "labkit")["metadata"]["uid"]
        node.client.delete("nodes", "labkit")
        async with asyncio.timeout(5):
            async for event in node.client.watch("nodes"):
                if event.type == "ADDED" and event.object["metadata"]["uid"] != before:
                    break
        after = node.client.get("nodes", "labkit")
        assert (condition_of(after, "Ready") or {})["status"] == "True"
        assert records.alive() == [process], "its pods run on"
        assert await node.log("p") == "up\n"
        node.client.create("pods", pod("q", "test/sleep"))
        await node.ready("q")

    async def test_a_class_of_learners_fits_on_one_core(self, node: Node) -> None:
        allocatable = node.client.get("nodes", "labkit")["status"]["allocatable"]
        assert int(allocatable["pods"]) == 250
        assert int(allocatable["cpu"]) >= 50
        assert int(allocatable["memory"].removesuffix("Ki")) >= 250 * 192 * 1024


async def test_an_application_that_waits_for_its_proxy(node: Node, outside_tmp: Path) -> None:
    annotations = {"proxy.istio.io/config": "holdApplicationUntilProxyStarts: true"}
    held = pod("p", "test/proxy", "test/sleep", annotations=annotations)
    probe = {"tcpSocket": {"port": 9}, "periodSeconds": 1}
    held["spec"]["containers"][0]["readinessProbe"] = probe
    node.client.create("pods", held)
    seen = await node.until("p", lambda seen: "running" in _state(seen, 0))
    await node.said("p", "up", "c0")
    assert "waiting" in _state(seen, 1)
    node.client.delete("pods", "p", "default")
    await node.gone("p")
    assert (outside_tmp / "started").read_text() == "c0\n", "the proxy never was ready"
    del held["spec"]["containers"][0]["readinessProbe"]
    node.client.create("pods", held | {"metadata": {**held["metadata"], "name": "q"}})
    await node.ready("q")


def _state(seen: Obj, number: int) -> Obj:
    statuses = seen["status"].get("containerStatuses") or [{}, {}]
    return dict(statuses[number].get("state") or {})
