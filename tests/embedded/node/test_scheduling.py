"""The scheduler: where pods may go, what it says of those that may not, and what makes it try again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from labkit.embedded.api.inprocess import InProcessClient
from labkit.embedded.api.kinds.priority_classes import SYSTEM
from labkit.embedded.node import node_object
from labkit.embedded.node.scheduling import Scheduler
from labkit.embedded.node.scheduling.filters import Refusal
from labkit.embedded.node.scheduling.preemption import preempt
from labkit.embedded.node.scheduling.world import World
from labkit.embedded.objects import Obj, condition_of, mutable
from labkit.embedded.quantities import amount

HELPS_NOT = (
    "no new claims to deallocate, preemption: 0/1 nodes are available: "
    "1 Preemption is not helpful for scheduling."
)
NO_VICTIMS = (
    "no new claims to deallocate, preemption: 0/1 nodes are available: "
    "1 No preemption victims found for incoming pod."
)
CRITICAL = {"priorityClassName": "system-cluster-critical", "priority": 2_000_000_000}


class Cluster:
    """A node without a kubelet, and the scheduler at work."""

    def __init__(self, client: InProcessClient) -> None:
        self.client = client

    def make(self, name: str, *, labels: dict[str, str] | None = None, **spec: Any) -> None:
        container = {"name": "c", "image": "i", **spec.pop("container", {})}
        metadata = {"name": name, "namespace": "default", "labels": labels or {}}
        self.client.create("pods", {"metadata": metadata, "spec": {"containers": [container], **spec}})

    def change_node(self, **patch: Any) -> None:
        self.client.patch("nodes", "labkit", "", patch)

    def has_room_for(self, **amounts: str) -> None:
        """Make the node as small as *amounts*."""
        node = mutable(self.client.get("nodes", "labkit"))
        node["status"]["allocatable"].update(amounts)
        self.client.update_status("nodes", node)

    async def until(self, name: str, holds: Callable[[Obj], bool]) -> Obj:
        async with asyncio.timeout(10):
            async for event in self.client.watch("pods"):
                if event.type == "DELETED" or event.object.get("metadata", {}).get("name") != name:
                    continue
                if holds(event.object):
                    return event.object
        raise AssertionError

    async def bound(self, name: str) -> Obj:
        return await self.until(name, lambda pod: pod["spec"].get("nodeName") == "labkit")

    async def refused(self, name: str, reason: str = "Unschedulable") -> str:
        """Why the pod waits."""
        pod = await self.until(name, lambda pod: _waits(pod, reason))
        assert "nodeName" not in pod["spec"]
        return str(_condition(pod)["message"])

    async def refused_as(self, name: str, message: str) -> None:
        await self.until(name, lambda pod: _condition(pod).get("message") == message)

    def events(self, name: str) -> list[tuple[str, str]]:
        found = [each for each in self.client.list("events") if each["involvedObject"]["name"] == name]
        return [(each["reason"], each["message"]) for each in found]


def _condition(pod: Obj) -> Obj:
    return condition_of(pod, "PodScheduled") or {}


def _waits(pod: Obj, reason: str) -> bool:
    return (_condition(pod).get("status"), _condition(pod).get("reason")) == ("False", reason)


@pytest.fixture
async def cluster(client: InProcessClient, tmp_path: Path) -> AsyncIterator[Cluster]:
    node_object.register(client, "labkit", 42, tmp_path)
    for each in SYSTEM:
        client.create("priorityclasses.scheduling.k8s.io", each)
    task = asyncio.create_task(Scheduler(client).run())
    yield Cluster(client)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def requests(**amounts: str) -> dict[str, Any]:
    named = {name.replace("__", ".").replace("_", "/"): amount for name, amount in amounts.items()}
    return {"container": {"resources": {"requests": named}}}


def affinity(key: str, operator: str, *values: str) -> dict[str, Any]:
    expression = {"key": key, "operator": operator} | ({"values": list(values)} if values else {})
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}


def near(kind: str, **labels: str) -> dict[str, Any]:
    term = {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


def spread(key: str = "kubernetes.io/hostname", **more: Any) -> dict[str, Any]:
    constraint = {"topologyKey": key, "whenUnsatisfiable": "DoNotSchedule", "maxSkew": 1, **more}
    return {"topologySpreadConstraints": [constraint | {"labelSelector": {"matchLabels": {"app": "a"}}}]}


def tolerating(key: str, value: str = "", effect: str = "NoSchedule") -> dict[str, Any]:
    operator = {"operator": "Equal", "value": value} if value else {"operator": "Exists"}
    return {"tolerations": [{"key": key, "effect": effect, **operator}]}


async def test_a_pod_is_bound_and_it_is_said(cluster: Cluster) -> None:
    cluster.make("p")
    await cluster.bound("p")
    assert cluster.events("p") == [("Scheduled", "Successfully assigned default/p to labkit")]


NOT_SELECTED = "1 node(s) didn't match Pod's node affinity/selector"


@pytest.mark.parametrize(
    ("spec", "why", "preemption"),
    [
        (requests(cpu="64"), "1 Insufficient cpu", HELPS_NOT),
        (requests(cpu="64", memory="4Ti"), "1 Insufficient cpu, 1 Insufficient memory", HELPS_NOT),
        (requests(nvidia__com_gpu="1"), "1 Insufficient nvidia.com/gpu", HELPS_NOT),
        ({"nodeSelector": {"disk": "ssd"}}, NOT_SELECTED, HELPS_NOT),
        (affinity("kubernetes.io/hostname", "NotIn", "labkit"), NOT_SELECTED, HELPS_NOT),
        (affinity("kubernetes.io/os", "DoesNotExist"), NOT_SELECTED, HELPS_NOT),
        (affinity("kubernetes.io/os", "Gt", "3"), NOT_SELECTED, HELPS_NOT),
        (near("podAffinity", app="nobody"), "1 node(s) didn't match pod affinity rules", HELPS_NOT),
        (spread(minDomains=2), "1 node(s) didn't match pod topology spread constraints", NO_VICTIMS),
        (
            spread("zone"),
            "1 node(s) didn't match pod topology spread constraints (missing required label)",
            HELPS_NOT,
        ),
    ],
)
async def test_what_does_not_fit_waits_and_says_why(
    cluster: Cluster, spec: dict[str, Any], why: str, preemption: str
) -> None:
    if "minDomains" in str(spec):
        cluster.make("first", labels={"app": "a"})
        await cluster.bound("first")
    cluster.make("p", labels={"app": "a"}, **spec)
    message = f"0/1 nodes are available: {why}. {preemption}"
    assert await cluster.refused("p") == message
    assert cluster.events("p") == [("FailedScheduling", message)]


@pytest.mark.parametrize(
    "spec",
    [
        requests(cpu="49", memory="1Gi"),
        {"nodeSelector": {"kubernetes.io/os": "linux"}},
        affinity("kubernetes.io/hostname", "In", "labkit", "other"),
        affinity("gpu", "NotIn", "yes"),
        near("podAffinity", app="a"),
        near("podAntiAffinity", app="b"),
        spread(),
    ],
)
async def test_what_fits(cluster: Cluster, spec: dict[str, Any]) -> None:
    cluster.make("p", labels={"app": "a"}, **spec)
    await cluster.bound("p")


async def test_pods_that_keep_apart(cluster: Cluster) -> None:
    cluster.make("a", labels={"app": "a"}, **near("podAntiAffinity", app="a"))
    await cluster.bound("a")
    cluster.make("b", labels={"app": "a"}, **near("podAntiAffinity", app="a"))
    why = f"0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules. {NO_VICTIMS}"
    assert await cluster.refused("b") == why
    cluster.make("c", labels={"app": "a"})
    why = f"0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules. {NO_VICTIMS}"
    assert await cluster.refused("c") == why
    cluster.client.delete("pods", "a", "default", grace_seconds=0)
    await cluster.bound("b")


async def test_two_pods_want_the_same_port_of_the_host(cluster: Cluster) -> None:
    port = {"container": {"ports": [{"containerPort": 80, "hostPort": 8080}]}}
    cluster.make("a", **port)
    await cluster.bound("a")
    cluster.make("b", **port)
    why = "1 node(s) didn't have free ports for the requested pod ports"
    assert await cluster.refused("b") == f"0/1 nodes are available: {why}. {NO_VICTIMS}"
    cluster.client.delete("pods", "a", "default", grace_seconds=0)
    await cluster.bound("b")


async def test_a_full_node_and_one_that_has_room_again(cluster: Cluster) -> None:
    cluster.has_room_for(cpu="1")
    cluster.make("a", **requests(cpu="600m"))
    await cluster.bound("a")
    cluster.make("b", **requests(cpu="0.5"))
    assert await cluster.refused("b") == f"0/1 nodes are available: 1 Insufficient cpu. {NO_VICTIMS}"
    ended = mutable(cluster.client.get("pods", "a", "default"))
    ended["status"]["phase"] = "Succeeded"
    cluster.client.update_status("pods", ended)
    await cluster.bound("b")


async def test_as_many_pods_as_a_node_takes(cluster: Cluster) -> None:
    cluster.has_room_for(pods="1")
    cluster.make("a")
    await cluster.bound("a")
    cluster.make("b")
    assert await cluster.refused("b") == f"0/1 nodes are available: 1 Too many pods. {NO_VICTIMS}"


@pytest.mark.parametrize(
    ("containers", "init", "total"),
    [
        (["300m", "300m"], [], "600m"),
        (["300m"], [("800m", "")], "800m"),
        (["300m"], [("400m", "Always"), ("500m", "")], "900m"),
        (["600m"], [("300m", "Always"), ("500m", "")], "900m"),
    ],
)
async def test_what_a_pod_requests_in_all(
    cluster: Cluster, containers: list[str], init: list[tuple[str, str]], total: str
) -> None:
    def container(number: int, cpu: str, policy: str = "") -> Obj:
        made = {"name": f"c{number}", "image": "i", "resources": {"requests": {"cpu": cpu}}}
        return made | ({"restartPolicy": policy} if policy else {})

    spec = {
        "containers": [container(number, cpu) for number, cpu in enumerate(containers)],
        "initContainers": [container(number, *each) for number, each in enumerate(init, 7)],
    }
    too_little = amount(total) - amount("1m")
    cluster.has_room_for(cpu=str(too_little))
    cluster.make("p", **spec)
    await cluster.refused("p")
    cluster.has_room_for(cpu=total)
    await cluster.bound("p")


async def test_a_cordoned_node(cluster: Cluster) -> None:
    cluster.change_node(spec={"unschedulable": True})
    cluster.make("p")
    why = f"0/1 nodes are available: 1 node(s) were unschedulable. {HELPS_NOT}"
    assert await cluster.refused("p") == why
    cluster.make("daemon", **tolerating("node.kubernetes.io/unschedulable"))
    await cluster.bound("daemon")
    cluster.change_node(spec={"unschedulable": None})
    await cluster.bound("p")


@pytest.mark.parametrize("effect", ["NoSchedule", "NoExecute"])
async def test_a_tainted_node(cluster: Cluster, effect: str) -> None:
    cluster.change_node(spec={"taints": [{"key": "dedicated", "value": "gpu", "effect": effect}]})
    cluster.make("p", **tolerating("dedicated", "cpu", effect))
    why = f"0/1 nodes are available: 1 node(s) had untolerated taint {{dedicated: gpu}}. {HELPS_NOT}"
    assert await cluster.refused("p") == why
    cluster.make("tolerant", **tolerating("dedicated", "gpu", effect))
    await cluster.bound("tolerant")
    cluster.change_node(spec={"taints": None})
    await cluster.bound("p")


async def test_a_taint_that_is_only_a_wish(cluster: Cluster) -> None:
    cluster.change_node(spec={"taints": [{"key": "old", "effect": "PreferNoSchedule"}]})
    cluster.make("p")
    await cluster.bound("p")


async def test_a_label_that_was_missing(cluster: Cluster) -> None:
    cluster.make("p", nodeSelector={"disk": "ssd"})
    await cluster.refused("p")
    cluster.change_node(metadata={"labels": {"disk": "ssd"}})
    await cluster.bound("p")


async def test_no_node_at_all(cluster: Cluster, tmp_path: Path) -> None:
    cluster.client.delete("nodes", "labkit")
    cluster.make("p")
    assert await cluster.refused("p") == "no nodes available to schedule pods"
    node_object.register(cluster.client, "labkit", 42, tmp_path)
    await cluster.bound("p")


async def test_every_node_counts(cluster: Cluster) -> None:
    cluster.client.create("nodes", {"metadata": {"name": "other"}})
    cluster.make("p", nodeSelector={"disk": "ssd"})
    why = "2 node(s) didn't match Pod's node affinity/selector"
    helps_not = HELPS_NOT.replace("0/1", "0/2").replace("1 Preemption", "2 Preemption")
    assert await cluster.refused("p") == f"0/2 nodes are available: {why}. {helps_not}"
    cluster.make("q")
    await cluster.bound("q")


async def test_gates(cluster: Cluster) -> None:
    cluster.make("p", schedulingGates=[{"name": "example.org/wait"}])
    gated = await cluster.refused("p", "SchedulingGated")
    assert gated == "Scheduling is blocked due to non-empty scheduling gates"
    assert cluster.events("p") == []
    cluster.client.patch("pods", "p", "default", {"spec": {"schedulingGates": []}})
    await cluster.bound("p")


async def test_pods_of_another_scheduler_are_left_to_it(cluster: Cluster) -> None:
    cluster.make("theirs", schedulerName="mine")
    cluster.make("ours")
    await cluster.bound("ours")
    theirs = cluster.client.get("pods", "theirs", "default")
    assert "nodeName" not in theirs["spec"]
    assert not condition_of(theirs, "PodScheduled")


async def test_a_more_important_pod_takes_the_place_of_others(cluster: Cluster) -> None:
    cluster.has_room_for(cpu="1")
    for name, cpu in (("small", "200m"), ("large", "700m")):
        cluster.make(name, **requests(cpu=cpu))
        await cluster.bound(name)
    cluster.make("vip", **CRITICAL, **requests(cpu="600m"))
    await cluster.refused_as(
        "vip",
        "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, "
        "preemption: not eligible due to a terminating pod on the nominated node.",
    )
    vip = cluster.client.get("pods", "vip", "default")
    assert vip["status"]["nominatedNodeName"] == "labkit"
    assert ("FailedScheduling", "0/1 nodes are available: 1 Insufficient cpu.") in cluster.events("vip")
    large = cluster.client.get("pods", "large", "default")
    told = condition_of(large, "DisruptionTarget") or {}
    assert (told["reason"], told["message"]) == (
        "PreemptionByScheduler",
        "default-scheduler: preempting to accommodate a higher priority pod",
    )
    assert large["metadata"]["deletionTimestamp"]
    assert "deletionTimestamp" not in cluster.client.get("pods", "small", "default")["metadata"]
    assert (
        f"Preempted by pod {vip['metadata']['uid']} on node labkit" in dict(cluster.events("large")).values()
    )
    cluster.make("late", **requests(cpu="500m"))
    cluster.client.delete("pods", "large", "default", grace_seconds=0)
    await cluster.bound("vip")
    assert await cluster.refused("late"), "the room that was cleared is not for others"


def test_a_pod_that_preempts_nobody() -> None:
    pod = {"metadata": {"uid": "a"}, "spec": {"priority": 1, "preemptionPolicy": "Never"}}
    refusals = {"labkit": Refusal(("Insufficient cpu",), is_hopeless=False)}
    world = World({"labkit": {"metadata": {"name": "labkit"}}}, (), {})
    assert preempt(pod, refusals, world) == "not eligible due to preemptionPolicy=Never."
