"""What ``kubectl debug`` adds to a pod that runs: started once, beside the others, and never again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from labkit.embedded.api.inprocess import InProcessClient
from labkit.embedded.interfaces import LogOptions, ProcessCommand
from labkit.embedded.node.containers.catalogue import Catalogue, ProcessImage
from labkit.embedded.objects import Obj, mutable
from labkit.embedded.status import ApiError

from .test_inside import pod

if TYPE_CHECKING:
    from conftest import Node, StartNode


@pytest.fixture
def catalogue() -> Catalogue:
    """One image: a shell, that runs the container's arguments."""
    shell = ProcessImage(lambda launch: ProcessCommand(["/bin/sh", *launch.container.get("args", [])]))
    return Catalogue({"test/sh": shell})


def debug(client: InProcessClient, name: str, *args: str, **fields: Any) -> None:
    found = mutable(client.get("pods", "web", "default"))
    container = {"name": name, "image": "test/sh", "args": list(args), **fields}
    found["spec"].setdefault("ephemeralContainers", []).append(container)
    client.verbs.update("pods", found, subresource="ephemeralcontainers")


def state(pod: Obj, name: str) -> Obj:
    known = pod.get("status", {}).get("ephemeralContainerStatuses") or []
    return next((each["state"] for each in known if each["name"] == name), {})


async def test_it_runs_beside_the_others_and_leaves_them_alone(node: Node) -> None:
    node.client.create("pods", pod("-c", "sleep 100"))
    before = await node.ready("web")
    debug(node.client, "look", "-c", "echo I see $HOSTNAME; exit 3", targetContainerName="main")
    seen = await node.until("web", lambda each: "terminated" in state(each, "look"))
    assert state(seen, "look")["terminated"]["exitCode"] == 3
    assert seen["status"]["phase"] == "Running"
    assert seen["status"]["conditions"] == before["status"]["conditions"]
    assert seen["metadata"]["generation"] == before["metadata"].get("generation", 1) + 1
    assert await node.log("web", LogOptions(container="look")) == "I see web\n"


async def test_it_is_started_while_others_wait(node: Node) -> None:
    waiting = pod("-c", "sleep 100")
    waiting["spec"]["initContainers"] = [{"name": "first", "image": "test/sh", "args": ["-c", "sleep 100"]}]
    node.client.create("pods", waiting)
    await node.until("web", lambda each: bool(each.get("status", {}).get("initContainerStatuses")))
    debug(node.client, "look", "-c", "sleep 100")
    await node.until("web", lambda each: "running" in state(each, "look"))


async def test_it_ends_with_its_pod(node: Node) -> None:
    node.client.create("pods", pod("-c", "read line", stdin=True))
    await node.ready("web")
    debug(node.client, "look", "-c", "exec sleep 1000")
    await node.until("web", lambda each: "running" in state(each, "look"))
    run = node.kubelet._worker("default", "web").containers[0].current
    assert run is not None
    await run.feed(b"go\n")
    seen = await node.until("web", lambda each: each["status"]["phase"] == "Succeeded")
    seen = await node.until("web", lambda each: "terminated" in state(each, "look"))
    assert state(seen, "look")["terminated"]["exitCode"] == 143


async def test_after_a_restart_of_the_daemon_it_is_not_started_again(start_node: StartNode) -> None:
    async with start_node() as node:
        spec = pod("-c", "sleep 100")
        spec["spec"]["restartPolicy"] = "Always"
        node.client.create("pods", spec)
        await node.ready("web")
        debug(node.client, "look", "-c", "sleep 1000")
        await node.until("web", lambda each: "running" in state(each, "look"))
    async with start_node() as node:
        seen = await node.until("web", lambda each: "terminated" in state(each, "look"))
        assert state(seen, "look")["terminated"]["reason"] == "Unknown"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"targetContainerName": "nobody"}, 'targetContainerName: Not found: "nobody"'),
        ({"ports": [{"containerPort": 80}]}, "ports: Forbidden: cannot be set for an Ephemeral Container"),
        ({"name": "main"}, 'ephemeralContainers[0].name: Duplicate value: "main"'),
        ({"image": ""}, "ephemeralContainers[0].image: Required value"),
    ],
)
def test_what_it_may_not_be(client: InProcessClient, fields: Obj, said: str) -> None:
    client.create("pods", pod())
    with pytest.raises(ApiError) as refused:
        debug(client, **{"name": "look", **fields})
    assert said in str(refused.value)


def test_it_comes_by_its_own_way_alone_and_stays(client: InProcessClient) -> None:
    early = pod()
    early["spec"]["ephemeralContainers"] = [{"name": "look", "image": "test/sh"}]
    with pytest.raises(ApiError, match="cannot be set on create"):
        client.create("pods", early)
    client.create("pods", pod())
    debug(client, "look")
    there = client.get("pods", "web", "default")
    changed = mutable(there)
    changed["spec"]["ephemeralContainers"][0]["image"] = "another"
    with pytest.raises(ApiError, match='existing ephemeral containers "look" may not be changed'):
        client.verbs.update("pods", mutable(changed), subresource="ephemeralcontainers")
    with pytest.raises(ApiError, match="pod updates may not change fields other than"):
        client.verbs.update("pods", mutable(changed))
    del changed["spec"]["ephemeralContainers"]
    with pytest.raises(ApiError, match='existing ephemeral containers "look" may not be removed'):
        client.verbs.update("pods", mutable(changed), subresource="ephemeralcontainers")


def test_nothing_else_of_the_pod_changes_that_way(client: InProcessClient) -> None:
    client.create("pods", pod())
    changed = mutable(client.get("pods", "web", "default"))
    changed["spec"]["containers"][0]["image"] = "another"
    changed["metadata"]["labels"] = {"a": "b"}
    written = client.verbs.update("pods", changed, subresource="ephemeralcontainers").object
    assert written["spec"]["containers"][0]["image"] == "test/sh"
    assert written["metadata"]["labels"] == {"a": "b"}


@pytest.mark.parametrize("moment", range(0, 80, 4))
async def test_a_container_that_is_stopped_while_it_starts_is_asked_and_not_killed(
    node: Node, moment: int
) -> None:
    """At each of these milliseconds it is at another place of its start."""
    node.client.create("pods", pod("-c", "exec sleep 1000"))
    await node.until("web", lambda each: bool(each.get("status", {}).get("containerStatuses")))
    await asyncio.sleep(moment / 1000)
    run = node.kubelet._worker("default", "web").containers[0].current
    assert run is None or await run.stop(5) == 143, "137 were a kill, after all of the grace"
