"""The kubelet with real processes: from a Pod in the API to its end."""

from __future__ import annotations

import asyncio
import os
import signal
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from labkit.embedded.api.inprocess import InProcessClient
from labkit.embedded.interfaces import (
    Launch,
    LogOptions,
    ProcessCommand,
    TcpAddress,
    UnixAddress,
)
from labkit.embedded.node.containers import probes
from labkit.embedded.node.containers.catalogue import BuiltinImage, Catalogue, ProcessImage
from labkit.embedded.node.pods import pod_worker
from labkit.embedded.node.processes.run_records import RunRecords, start_time_of
from labkit.embedded.objects import Obj, mutable
from labkit.embedded.status import ApiError

if TYPE_CHECKING:
    from conftest import Node, StartNode

SERVICE_B = "artashesavetisyan/istio-basics-course:service-b-java-11"


def shell(script: str) -> ProcessImage:
    return ProcessImage(lambda launch: ProcessCommand(["/bin/sh", "-c", script], launch.environment))


class Istiod:
    """A container inside the daemon."""

    async def run(self, pod: Obj, log: Callable[[str], None], ready: Callable[[bool], None]) -> int:
        log(f"hello from {pod['metadata']['name']}")
        ready(True)
        await asyncio.sleep(3600)
        return 0

    def dial(self, port: int) -> UnixAddress | None:
        return UnixAddress(Path("/debug.sock")) if port == 15014 else None


@pytest.fixture
def catalogue(catalogue: Catalogue) -> Catalogue:
    catalogue.add("test/sleep", shell("echo started; exec sleep 60"))
    catalogue.add("test/env", shell("env; exec sleep 60"))
    catalogue.add("test/crash", shell("echo crashing; exit 3"))
    catalogue.add("test/true", shell("echo done"))
    catalogue.add("test/false", shell("exit 1"))
    catalogue.add("test/istiod", BuiltinImage(lambda _: Istiod()))
    catalogue.add("test/proxy", ProcessImage(lambda _: ProcessCommand(["/bin/sleep", "60"]), is_proxy=True))
    return catalogue


def pod(name: str, *images: str, **spec: Any) -> Obj:
    containers = [
        {"name": f"c{number}" if number else "main", "image": image} for number, image in enumerate(images)
    ]
    spec = {"restartPolicy": "Always", "terminationGracePeriodSeconds": 5, "containers": containers, **spec}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": name}},
        "spec": spec,
    }


def container(status: Obj, number: int = 0) -> Obj:
    found: Obj = (status.get("status", {}).get("containerStatuses") or [{}])[number]
    return found


def state(reason: str) -> Callable[[Obj], bool]:
    """Whether the first container waits or has ended for *reason*."""

    def holds(seen: Obj) -> bool:
        states = container(seen).get("state", {}).values()
        return any(each.get("reason") == reason for each in states)

    return holds


def restarts(count: int) -> Callable[[Obj], bool]:
    def holds(seen: Obj) -> bool:
        first = container(seen)
        return first.get("restartCount") == count and "running" in first["state"]

    return holds


async def fetch(url: str) -> str:
    def read() -> str:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode())

    return await asyncio.to_thread(read)


def only_process(records: RunRecords) -> int:
    (record,) = records.alive()
    return record.pid


async def test_a_pod_is_bound_started_and_ready(node: Node, records: RunRecords) -> None:
    spec = pod("b", SERVICE_B)
    spec["spec"]["containers"][0]["ports"] = [{"containerPort": 8082}]
    node.client.create("pods", spec)
    seen = await node.ready("b")
    assert (seen["spec"]["nodeName"], seen["metadata"]["generation"]) == ("labkit", 1)
    assert seen["status"]["phase"] == "Running"
    assert {each["type"]: each["status"] for each in seen["status"]["conditions"]} == {
        "PodReadyToStartContainers": "True",
        "Initialized": "True",
        "Ready": "True",
        "ContainersReady": "True",
        "PodScheduled": "True",
    }
    assert await fetch(f"http://{seen['status']['podIP']}:8082/") == "Hello from ServiceB!"
    assert [reason for reason, _ in node.events("b")] == ["Scheduled", "Pulled", "Created", "Started"]


async def test_deleting_a_pod_stops_it_politely(node: Node, records: RunRecords) -> None:
    node.client.create("pods", pod("b", SERVICE_B))
    address = (await node.ready("b"))["status"]["podIP"]
    node.client.delete("pods", "b", "default")
    await node.gone("b")
    assert records.alive() == []
    assert ("Killing", "Stopping container main") in node.events("b")
    node.client.create("pods", pod("b", SERVICE_B))
    assert (await node.ready("b"))["status"]["podIP"] != address


async def test_a_pod_removed_by_force_ends_at_once(node: Node, records: RunRecords) -> None:
    node.client.create("pods", pod("s", "test/sleep"))
    await node.ready("s")
    descriptor = os.pidfd_open(only_process(records))
    node.client.delete("pods", "s", "default", grace_seconds=0)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, ended.set)
    await asyncio.wait_for(ended.wait(), 5)
    asyncio.get_running_loop().remove_reader(descriptor)
    os.close(descriptor)


async def test_a_killed_service_comes_back(node: Node, records: RunRecords) -> None:
    node.client.create("pods", pod("b", SERVICE_B))
    before = await node.ready("b")
    os.kill(only_process(records), signal.SIGKILL)
    after = await node.until("b", restarts(1))
    assert container(after)["lastState"]["terminated"]["exitCode"] == 137
    assert container(after)["lastState"]["terminated"]["reason"] == "Error"
    assert after["status"]["podIP"] == before["status"]["podIP"]
    assert await node.ready("b")


async def test_crashing_again_and_again_backs_off(node: Node) -> None:
    node.client.create("pods", pod("crash", "test/crash"))
    seen = await node.until("crash", state("CrashLoopBackOff"))
    first = container(seen)
    assert first["restartCount"] == 1, "the first restart comes at once"
    assert first["lastState"]["terminated"]["exitCode"] == 3
    assert first["state"]["waiting"]["message"].startswith("back-off 0s restarting failed container=main")
    assert seen["status"]["phase"] == "Running"
    await node.until("crash", lambda seen: container(seen).get("restartCount") == 3)
    assert "BackOff" in dict(node.events("crash"))


async def test_what_cannot_be_started_says_why_and_is_tried_again(node: Node, catalogue: Catalogue) -> None:
    def broken(_: Launch) -> ProcessCommand:
        raise OSError(28, "No space left on device")

    catalogue.add("test/broken", ProcessImage(broken))
    node.client.create("pods", pod("p", "test/broken"))
    seen = await node.until("p", state("CrashLoopBackOff"))
    assert container(seen)["lastState"]["terminated"]["reason"] == "StartError"
    assert "No space left on device" in dict(node.events("p"))["Failed"]
    catalogue.add("test/broken", shell("exec sleep 60"))
    await node.ready("p")


async def test_an_unknown_image_waits_and_says_what_there_is(node: Node) -> None:
    node.client.create("pods", pod("web", "somebody/nothing"))
    seen = await node.until("web", state("ErrImagePull"))
    assert seen["status"]["phase"] == "Pending"
    message = container(seen)["state"]["waiting"]["message"]
    assert "`labkit images add somebody/nothing -- COMMAND` enters a program of yours" in message
    await node.until("web", state("ImagePullBackOff"))
    with pytest.raises(ApiError, match="is waiting to start: trying and failing to pull image"):
        await node.log("web")
    node.client.delete("pods", "web", "default")
    await node.gone("web")


async def test_a_new_image_replaces_the_container(node: Node) -> None:
    node.client.create("pods", pod("web", "somebody/nothing"))
    await node.until("web", state("ErrImagePull"))
    changed = mutable(node.client.get("pods", "web", "default"))
    changed["spec"]["containers"][0]["image"] = SERVICE_B
    node.client.update("pods", changed)
    assert await node.ready("web")


@pytest.mark.parametrize(
    ("image", "policy", "phase"),
    [
        ("test/true", "Never", "Succeeded"),
        ("test/false", "Never", "Failed"),
        ("test/true", "OnFailure", "Succeeded"),
    ],
)
async def test_a_pod_that_ends(node: Node, image: str, policy: str, phase: str) -> None:
    node.client.create("pods", pod("job", image, restartPolicy=policy))
    await node.until("job", lambda seen: seen["status"]["phase"] == phase)
    node.client.delete("pods", "job", "default")
    await node.gone("job")


async def test_init_containers_come_first(node: Node) -> None:
    init = [{"name": "first", "image": "test/true"}]
    node.client.create("pods", pod("late", "test/sleep", initContainers=init))
    seen = await node.ready("late")
    (first,) = seen["status"]["initContainerStatuses"]
    assert (first["state"]["terminated"]["reason"], first["ready"]) == ("Completed", True)
    assert await node.log("late", LogOptions(container="first")) == "done\n"


async def test_a_failing_init_container_keeps_the_pod_pending(node: Node) -> None:
    init = [{"name": "first", "image": "test/false"}, {"name": "second", "image": "test/true"}]
    node.client.create("pods", pod("stuck", "test/sleep", initContainers=init))
    seen = await node.until(
        "stuck",
        lambda seen: any(
            "waiting" in each["state"] and each["restartCount"]
            for each in seen["status"].get("initContainerStatuses", [])
        ),
    )
    assert seen["status"]["phase"] == "Pending"
    first, second = seen["status"]["initContainerStatuses"]
    assert not first["ready"]
    assert second["state"] == container(seen)["state"] == {"waiting": {"reason": "PodInitializing"}}


async def test_environment(node: Node) -> None:
    node.client.create(
        "configmaps",
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "settings", "namespace": "default"},
            "data": {"colour": "blue", "of-the.sky": "blue, too"},
        },
    )
    spec = pod("env", "test/env")
    spec["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "settings"}}]
    spec["spec"]["containers"][0]["env"] = [
        {"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
        {"name": "ALL", "value": "$(WHO)/$(COLOUR)/$$(WHO)/$(NOBODY)"},
    ]
    node.client.create("pods", spec)
    address = (await node.ready("env"))["status"]["podIP"]
    lines = (await node.said("env", "ALL=")).splitlines()
    assert {"WHO=env", f"IP={address}", "APP=env", "ALL=env/blue/$(WHO)/$(NOBODY)"} <= set(lines)
    assert {"colour=blue", "of-the.sky=blue, too"} <= set(lines)
    assert not any(line.startswith("VIRTUAL_ENV=") for line in lines), "the daemon's own variables stay out"


async def test_a_missing_configuration_is_waited_for(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labkit.embedded.node.containers.container.CONFIG_RETRY", 0.05)
    spec = pod("env", "test/env")
    reference = {"secretKeyRef": {"name": "key", "key": "k"}}
    spec["spec"]["containers"][0]["env"] = [{"name": "KEY", "valueFrom": reference}]
    node.client.create("pods", spec)
    seen = await node.until("env", state("CreateContainerConfigError"))
    assert container(seen)["state"]["waiting"]["message"] == 'secret "key" not found'
    meta = {"name": "key", "namespace": "default"}
    node.client.create(
        "secrets", {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": {"k": "djE="}}
    )
    await node.ready("env")
    assert "KEY=v1\n" in await node.said("env", "KEY=")


async def test_a_failing_readiness_probe(node: Node) -> None:
    spec = pod("b", SERVICE_B)
    probe = {"httpGet": {"path": "/nothing", "port": 8082}, "periodSeconds": 1}
    spec["spec"]["containers"][0]["readinessProbe"] = probe
    node.client.create("pods", spec)
    failed = "Readiness probe failed: HTTP probe failed with statuscode: 404"
    async with asyncio.timeout(20):
        async for event in node.client.watch("events"):
            if event.object.get("message") == failed:  # and not that nobody listens yet
                break
    seen = node.client.get("pods", "b", "default")
    assert container(seen)["ready"] is False
    ready = next(each for each in seen["status"]["conditions"] if each["type"] == "Ready")
    assert ready["message"] == "containers with unready status: [main]"


async def test_a_failing_liveness_probe_restarts(node: Node) -> None:
    spec = pod("b", SERVICE_B)
    probe = {"tcpSocket": {"port": 9}, "periodSeconds": 1, "failureThreshold": 1}
    spec["spec"]["containers"][0]["livenessProbe"] = probe
    node.client.create("pods", spec)
    await node.until("b", restarts(1))
    assert ("Killing", "Container main failed liveness probe, will be restarted") in node.events("b")


async def test_probes_that_break_are_told_of(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(probes, "attempt", broken)
    spec = pod("s", "test/sleep")
    spec["spec"]["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": 9}}
    node.client.create("pods", spec)
    async with asyncio.timeout(10):
        async for event in node.client.watch("events"):
            if event.object.get("reason") == "Unhealthy":
                break
    assert event.object["message"].startswith("Container main is not probed any more: ")
    assert container(node.client.get("pods", "s", "default"))["ready"] is False


async def test_a_port_that_is_where_another_was_moved_is_said(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod_worker, "lowest_port", lambda: 1024)
    spec = pod("s", "test/sleep")
    spec["spec"]["containers"][0]["ports"] = [{"containerPort": each} for each in (80, 8080, 61080)]
    node.client.create("pods", spec)
    await node.ready("s")
    assert dict(node.events("s"))["PortsNotAllowed"] == (
        "This account may not open ports below 1024: what listens on 80 in a pod really does on 61080, so "
        "this pod can't listen on both. Name another port than 61080"
    )


async def test_replicas_listen_on_the_same_port(node: Node) -> None:
    for name in ("b1", "b2"):
        node.client.create("pods", pod(name, SERVICE_B))
    addresses = {(await node.ready(name))["status"]["podIP"] for name in ("b1", "b2")}
    assert len(addresses) == 2


async def test_a_builtin_container(node: Node) -> None:
    node.client.create("pods", pod("istiod", "test/istiod"))
    await node.ready("istiod")
    assert await node.log("istiod") == "hello from istiod\n"
    assert node.kubelet.dial("default", "istiod", 15014) == UnixAddress(Path("/debug.sock"))
    node.client.delete("pods", "istiod", "default")
    await node.gone("istiod")


async def test_dial(node: Node) -> None:
    node.client.create("pods", pod("s", "test/sleep"))
    address = (await node.ready("s"))["status"]["podIP"]
    assert node.kubelet.dial("default", "s", 8082) == TcpAddress(address, 8082)
    with pytest.raises(ApiError, match="not found"):
        node.kubelet.dial("default", "nobody", 80)


async def test_the_proxy_ends_last(node: Node, catalogue: Catalogue, outside_tmp: Path) -> None:
    said = outside_tmp / "said"
    script = f"trap 'sleep 0.2; echo $NAME >> {said}; exit' TERM; echo up; while :; do sleep 0.01; done"

    def describe(launch: Launch) -> ProcessCommand:
        return ProcessCommand(["/bin/sh", "-c", script], {"NAME": launch.container["name"]})

    catalogue.add("test/app", ProcessImage(describe))
    catalogue.add("test/envoy", ProcessImage(describe, is_proxy=True))
    node.client.create("pods", pod("p", "test/envoy", "test/app"))
    await node.ready("p")
    for name in ("main", "c1"):
        await node.said("p", "up", name)
    node.client.delete("pods", "p", "default")
    await node.gone("p")
    assert said.read_text() == "c1\nmain\n"


class TestLogs:
    """Which log, and the kubelet's words where there is none."""

    async def test_previous(self, node: Node, records: RunRecords) -> None:
        node.client.create("pods", pod("s", "test/sleep"))
        await node.ready("s")
        with pytest.raises(ApiError, match='previous terminated container "main" in pod "s" not found'):
            await node.log("s", LogOptions(previous=True))
        await node.said("s", "started")
        os.kill(only_process(records), signal.SIGKILL)
        await node.until("s", restarts(1))
        assert await node.log("s", LogOptions(previous=True)) == "started\n"

    async def test_follow_ends_with_the_container(self, node: Node) -> None:
        node.client.create("pods", pod("job", "test/true", restartPolicy="Never"))
        await node.until("job", lambda seen: "containerStatuses" in seen["status"])
        assert await node.log("job", LogOptions(follow=True)) == "done\n"

    async def test_a_container_must_be_named(self, node: Node) -> None:
        node.client.create("pods", pod("two", "test/sleep", "test/sleep"))
        await node.ready("two")
        with pytest.raises(ApiError, match=r"must be specified for pod two, choose one of: \[main c1\]"):
            await node.log("two")
        with pytest.raises(ApiError, match="container x is not valid for pod two"):
            await node.log("two", LogOptions(container="x"))

    async def test_no_such_pod(self, node: Node) -> None:
        with pytest.raises(ApiError, match='pods "x" not found'):
            await node.log("x")


async def test_a_selector_nobody_matches_stays_pending(node: Node) -> None:
    node.client.create("pods", pod("far", "test/sleep", nodeSelector={"disk": "ssd"}))
    seen = await node.until("far", lambda seen: seen["status"].get("conditions"))
    assert seen["status"]["conditions"][0]["reason"] == "Unschedulable"
    node.client.delete("pods", "far", "default")
    await node.gone("far")


async def test_the_node_is_ready(node: Node) -> None:
    await asyncio.sleep(0)
    found = node.client.get("nodes", "labkit")
    ready = next(each for each in found["status"]["conditions"] if each["type"] == "Ready")
    assert ready["status"] == "True"
    assert found["status"]["nodeInfo"]["kubeletVersion"] == "v1.34.2+labkit"
    assert "node-role.kubernetes.io/master" in found["metadata"]["labels"]
    assert node.client.get("leases.coordination.k8s.io", "labkit", "kube-node-lease")


async def test_what_is_entered_in_the_nodes_capacity_is_offered(node: Node) -> None:
    async def offered(wanted: str | None) -> None:
        async with asyncio.timeout(20):
            async for event in node.client.watch("nodes"):
                found = event.object.get("status", {}).get("allocatable", {})
                if found and found.get("example.com/dongle") == wanted:
                    return

    await offered(None)
    capacity: dict[str, str | None] = {"example.com/dongle": "2"}
    node.client.patch("nodes", "labkit", "", {"status": {"capacity": capacity}}, subresource="status")
    await offered("2")
    capacity["example.com/dongle"] = None
    node.client.patch("nodes", "labkit", "", {"status": {"capacity": capacity}}, subresource="status")
    await offered(None)


async def test_after_a_restart_of_the_daemon_everything_is_started_anew(
    client: InProcessClient, start_node: StartNode, records: RunRecords
) -> None:
    for name in ("s", "t"):
        client.create("pods", pod(name, "test/sleep"))
    async with start_node() as node:
        before = await node.until("s", restarts(0))
        await node.said("s", "started")
        await node.ready("t")
    assert records.alive() == []
    client.delete("pods", "t", "default")
    async with start_node() as node:
        after = await node.until("s", restarts(1))
        assert await node.log("s", LogOptions(previous=True)) == "started\n"
    assert container(after)["lastState"]["terminated"]["exitCode"] == 255
    assert container(after)["lastState"]["terminated"]["reason"] == "Unknown"
    assert after["status"]["podIP"] == before["status"]["podIP"]
    assert client.find("pods", "t", "default") is None, "what was being deleted then is gone now"


async def test_what_had_ended_before_a_restart_stays_ended_and_keeps_its_log(
    client: InProcessClient, start_node: StartNode
) -> None:
    client.create("pods", pod("job", "test/true", restartPolicy="Never"))
    client.create("pods", pod("half", "test/true", "test/sleep", restartPolicy="Never"))
    async with start_node() as node:
        await node.until("job", lambda seen: seen["status"]["phase"] == "Succeeded")
        await node.until("half", lambda seen: "terminated" in container(seen).get("state", {}))
        await node.said("half", "started", "c1")
    async with start_node() as node:
        seen = await node.until("half", lambda seen: seen["status"]["phase"] == "Failed")
        assert [each["restartCount"] for each in seen["status"]["containerStatuses"]] == [0, 0]
        assert container(seen, 1)["state"]["terminated"]["exitCode"] == 255
        assert client.get("pods", "job", "default")["status"]["phase"] == "Succeeded"
        assert await node.log("job") == "done\n"


async def test_what_a_killed_daemon_left_is_ended_at_the_next_start(
    start_node: StartNode, records: RunRecords
) -> None:
    """Where the kernel has no death signal to give, the run records still know them."""
    stray = await asyncio.create_subprocess_exec("/bin/sleep", "60", start_new_session=True)
    records.add(stray.pid, "stray")
    async with start_node():
        assert await asyncio.wait_for(stray.wait(), 5) == -signal.SIGKILL
    assert start_time_of(stray.pid) is None
