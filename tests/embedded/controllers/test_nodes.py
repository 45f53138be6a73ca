"""What follows from a node's state: taints, evictions, the end of pods whose node is gone."""

import pytest

from labkit.embedded.controllers import pod_collection, taint_eviction
from labkit.embedded.objects import condition_of, is_terminating

NO_EXECUTE = {"key": "maintenance", "value": "now", "effect": "NoExecute"}


def change_node(world, **spec):
    world.client.patch("nodes", "labkit", "", {"spec": spec})
    world.settle()


def taints(world):
    return [
        (each["key"], each["effect"])
        for each in world.client.get("nodes", "labkit")["spec"].get("taints", [])
    ]


def running(world, name="p", **spec):
    containers = [{"name": "c", "image": "i"}]
    world.run(world.create("pods", name, spec={"containers": containers, **spec}))


def pod(world, name="p"):
    return world.client.get("pods", name, "dev")


def tolerating(seconds=None):
    toleration = {"key": "maintenance", "operator": "Exists", "effect": "NoExecute"}
    return {"tolerations": [toleration | ({} if seconds is None else {"tolerationSeconds": seconds})]}


def why_it_goes(world, name="p"):
    condition = condition_of(pod(world, name), "DisruptionTarget")
    return condition["status"], condition["reason"], condition["message"]


@pytest.fixture
def clock(monkeypatch):
    """The eviction's clock, which stands still but for what a test adds to it."""

    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(taint_eviction, "time", clock)
    monkeypatch.setattr(pod_collection, "time", clock)
    return clock


async def test_a_cordon_is_a_taint_too(world):
    change_node(world, taints=[{"key": "own", "effect": "NoSchedule"}])
    change_node(world, unschedulable=True)
    assert taints(world) == [("own", "NoSchedule"), ("node.kubernetes.io/unschedulable", "NoSchedule")]
    change_node(world, unschedulable=None)
    assert taints(world) == [("own", "NoSchedule")]


async def test_no_execute_evicts_whoever_does_not_tolerate_it(world):
    running(world)
    running(world, "tolerant", **tolerating())
    change_node(world, taints=[NO_EXECUTE])
    assert is_terminating(pod(world))
    assert why_it_goes(world) == (
        "True",
        "DeletionByTaintManager",
        "Taint manager: deleting due to NoExecute taint",
    )
    assert world.events("TaintManagerEviction") == ["Marking for deletion Pod dev/p"]
    assert not is_terminating(pod(world, "tolerant"))


@pytest.mark.parametrize("effect", ["NoSchedule", "PreferNoSchedule"])
async def test_other_taints_leave_alone_what_runs(world, effect):
    running(world)
    change_node(world, taints=[{**NO_EXECUTE, "effect": effect}])
    assert not is_terminating(pod(world))


async def test_patience_ends(world, clock):
    running(world, **tolerating(60))
    change_node(world, taints=[NO_EXECUTE])
    clock.now = 59
    world.retry()
    assert not is_terminating(pod(world))
    clock.now = 60
    world.retry()
    assert is_terminating(pod(world))


async def test_a_taint_taken_away_in_time_is_forgiven(world, clock):
    running(world, **tolerating(60))
    change_node(world, taints=[NO_EXECUTE])
    clock.now = 50
    change_node(world, taints=None)
    assert world.events("TaintManagerEviction") == ["Cancelling deletion of Pod dev/p"]
    change_node(world, taints=[NO_EXECUTE])
    clock.now = 100
    world.retry()
    assert not is_terminating(pod(world)), "the time is counted anew"


async def test_pods_of_a_node_that_is_gone_for_long_go_too(world, clock):
    running(world)
    world.client.delete("nodes", "labkit")
    world.settle()
    clock.now = 39
    world.retry()
    assert not is_terminating(pod(world))
    seen = []
    world.watchers.append(lambda change: seen.append(change.object))
    clock.now = 40
    world.retry()
    assert world.client.find("pods", "p", "dev") is None
    last = next(each for each in reversed(seen) if each["kind"] == "Pod")
    assert last["status"]["phase"] == "Failed"
    told = condition_of(last, "DisruptionTarget")
    assert (told["reason"], told["message"]) == ("DeletionByPodGC", "PodGC: node no longer exists")


async def test_a_node_that_comes_back_keeps_its_pods(world, clock):
    running(world)
    world.client.delete("nodes", "labkit")
    world.settle()
    clock.now = 30
    world.client.create("nodes", {"metadata": {"name": "labkit"}})
    world.settle()
    clock.now = 50
    world.retry()
    assert not is_terminating(pod(world))


async def test_a_pod_that_names_a_node_there_never_was(world, clock):
    world.create("pods", "lost", spec={"nodeName": "atlantis", "containers": [{"name": "c", "image": "i"}]})
    clock.now = 40
    world.retry()
    assert world.client.find("pods", "lost", "dev") is None
