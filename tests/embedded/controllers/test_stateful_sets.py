"""StatefulSets: one pod after the other, each with a name of its own; what they were like before."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.embedded.objects import Obj, is_terminating, labels_of, name_of

from .conftest import World

SETS = "statefulsets.apps"


def template(image: str = "v1") -> Obj:
    return {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "c", "image": image}]}}


def made(world: World, replicas: int = 3, **spec: Any) -> None:
    selector = {"matchLabels": {"app": "db"}}
    wanted = {"replicas": replicas, "selector": selector, "template": template(), "serviceName": "db", **spec}
    world.create(SETS, "db", spec=wanted)


def change(world: World, **spec: Any) -> None:
    world.client.patch(SETS, "db", "dev", {"spec": spec})
    world.settle()


def names(world: World) -> list[str]:
    return sorted(map(name_of, world.client.list("pods", "dev")))


def images(world: World) -> list[str]:
    return [pod["spec"]["containers"][0]["image"] for pod in sorted(world.pods(), key=name_of)]


def end(world: World) -> list[str]:
    """Let those go that are on their way out; who they were."""
    ending = [pod for pod in world.client.list("pods", "dev") if is_terminating(pod)]
    for pod in ending:
        world.end(pod)
    return [name_of(pod) for pod in ending]


def status(world: World) -> Obj:
    return world.client.get(SETS, "db", "dev")["status"]


async def test_one_comes_when_the_one_before_is_ready(world: World) -> None:
    made(world)
    for number in range(3):
        assert names(world) == [f"db-{each}" for each in range(number + 1)]
        world.run(world.client.get("pods", f"db-{number}", "dev"))
    assert (status(world)["readyReplicas"], status(world)["availableReplicas"]) == (3, 3)
    last = world.client.get("pods", "db-2", "dev")
    assert (last["spec"]["hostname"], last["spec"]["subdomain"]) == ("db-2", "db")
    assert labels_of(last)["apps.kubernetes.io/pod-index"] == "2"


async def test_in_parallel_all_come_at_once(world: World) -> None:
    made(world, podManagementPolicy="Parallel")
    assert names(world) == ["db-0", "db-1", "db-2"]
    change(world, replicas=1)
    assert [name_of(pod) for pod in world.pods()] == ["db-0"]


async def test_the_last_goes_first(world: World) -> None:
    made(world)
    world.run_all()
    change(world, replicas=1)
    assert end(world) == ["db-2"]
    assert end(world) == ["db-1"]
    assert (end(world), names(world)) == ([], ["db-0"])


async def test_who_is_deleted_comes_back_by_the_same_name(world: World) -> None:
    made(world)
    world.run_all()
    world.delete("pods", "db-1")
    assert names(world) == ["db-0", "db-1", "db-2"]
    end(world)
    assert names(world) == ["db-0", "db-1", "db-2"]


async def test_a_new_template_goes_from_the_last_to_the_first(world: World) -> None:
    made(world)
    world.run_all()
    first = status(world)["currentRevision"]
    change(world, template=template("v2"))
    assert end(world) == ["db-2"]
    assert images(world) == ["v1", "v1", "v2"]
    assert (status(world)["currentRevision"], status(world)["updatedReplicas"]) == (first, 1)
    world.run_all()
    assert images(world) == ["v2"] * 3
    assert status(world)["currentRevision"] == status(world)["updateRevision"] != first
    change(world, template=template("v1"))
    revisions = world.client.list("controllerrevisions.apps", "dev")
    assert sorted(each["revision"] for each in revisions) == [2, 3]


async def test_those_below_the_partition_stay(world: World) -> None:
    made(world, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})
    world.run_all()
    change(world, template=template("v2"))
    world.run_all()
    assert images(world) == ["v1", "v1", "v2"]
    world.delete("pods", "db-0")
    world.run_all()
    assert images(world) == ["v1", "v1", "v2"]
    change(world, updateStrategy={"rollingUpdate": {"partition": 0}})
    world.run_all()
    assert images(world) == ["v2"] * 3


async def test_on_delete_nobody_is_deleted(world: World) -> None:
    made(world, updateStrategy={"type": "OnDelete"})
    world.run_all()
    change(world, template=template("v2"))
    assert end(world) == []
    world.delete("pods", "db-0")
    world.run_all()
    assert images(world) == ["v2", "v1", "v1"]


async def test_where_disks_are_asked_for_there_are_folders(world: World) -> None:
    claim = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    made(world, volumeClaimTemplates=[claim])
    assert world.pods()[0]["spec"]["volumes"][0] == {"name": "data", "emptyDir": {}}


async def test_a_pod_for_each_node(world: World) -> None:
    def daemon(**spec: Any) -> None:
        wanted = {"selector": {"matchLabels": {"app": "db"}}, "template": template(), **spec}
        world.create("daemonsets.apps", "agent", spec=wanted)

    daemon()
    (pod,) = world.pods()
    assert name_of(pod).startswith("agent-")
    world.run(pod)
    found = world.client.get("daemonsets.apps", "agent", "dev")["status"]
    assert (found["desiredNumberScheduled"], found["numberAvailable"]) == (1, 1)
    world.client.create("nodes", {"metadata": {"name": "second"}})
    world.settle()
    assert len(world.pods()) == 2
    world.client.delete("nodes", "second")
    world.settle()
    assert world.client.get("daemonsets.apps", "agent", "dev")["status"]["desiredNumberScheduled"] == 1


@pytest.mark.parametrize(("surge", "unavailable", "most"), [(0, 1, 1), (1, 0, 2)])
async def test_a_daemon_is_replaced(world: World, surge: int, unavailable: int, most: int) -> None:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    wanted = {
        "selector": {"matchLabels": {"app": "db"}},
        "template": template(),
        "updateStrategy": {"rollingUpdate": rolling},
    }
    world.create("daemonsets.apps", "agent", spec=wanted)
    world.run_all()
    world.client.patch("daemonsets.apps", "agent", "dev", {"spec": {"template": template("v2")}})
    world.settle()
    assert len(world.client.list("pods", "dev")) == most
    world.run_all()
    assert images(world) == ["v2"]
    annotations = world.client.get("daemonsets.apps", "agent", "dev")["metadata"]["annotations"]
    assert annotations["deprecated.daemonset.template.generation"] == "2"
