"""ReplicaSets: as many pods as asked for, and which one goes first."""

import random

import pytest

from labkit.embedded.controllers.replicasets import deletion_rank
from labkit.embedded.objects import labels_of, mutable, name_of, uid_of

OLD, NEW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def pod(name, *, node="n", phase="Running", ready="", cost="", restarts=0, created=OLD):
    conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": ready}] if ready else []
    annotations = {"controller.kubernetes.io/pod-deletion-cost": cost} if cost else {}
    return {
        "metadata": {"name": name, "creationTimestamp": created, "annotations": annotations},
        "spec": {"nodeName": node},
        "status": {
            "phase": phase,
            "conditions": conditions,
            "containerStatuses": [{"restartCount": restarts}],
        },
    }


def test_the_pod_that_is_missed_least_goes_first():
    in_order = [
        pod("unassigned", node="", phase="Pending"),
        pod("pending", phase="Pending"),
        pod("not-ready"),
        pod("cheap", ready=OLD, cost="-5"),
        pod("ready-lately", ready=NEW),
        pod("often-restarted", ready=OLD, restarts=3),
        pod("young", ready=OLD, created=NEW),
        pod("old", ready=OLD),
        pod("dear", ready=NEW, cost="10"),
    ]
    shuffled = random.sample(in_order, len(in_order))
    assert [name_of(each) for each in sorted(shuffled, key=deletion_rank)] == [*map(name_of, in_order)]


def test_a_cost_that_is_no_number_counts_as_none():
    assert deletion_rank(pod("a", cost="much")) == deletion_rank(pod("a"))


async def test_a_pod_that_ends_is_replaced(world):
    world.deploy(replicas=2)
    world.run_all()
    gone = world.pods()[0]
    world.delete("pods", name_of(gone))
    assert len(world.pods()) == 2
    assert uid_of(gone) not in map(uid_of, world.pods())


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
async def test_a_finished_pod_is_replaced(world, phase):
    world.deploy()
    finished = mutable(world.pods()[0])
    finished["status"]["phase"] = phase
    world.client.update_status("pods", finished)
    world.settle()
    phases = sorted(each["status"]["phase"] for each in world.pods())
    assert phases == sorted([phase, "Pending"])


async def test_a_pod_that_is_relabelled_is_let_go_and_replaced(world):
    world.deploy()
    (pod,) = world.pods()
    world.client.patch("pods", name_of(pod), "dev", {"metadata": {"labels": {"app": "debug"}}})
    world.settle()
    (let_go,) = [each for each in world.pods() if labels_of(each)["app"] == "debug"]
    assert not let_go["metadata"].get("ownerReferences")
    assert len(world.pods()) == 2


async def test_a_pod_that_fits_is_adopted_and_a_surplus_one_deleted(world):
    world.deploy()
    (replica_set,) = world.sets()
    spec = {"containers": [{"name": "app", "image": "v1"}]}
    world.create("pods", "stray", metadata={"labels": labels_of(replica_set)}, spec=spec)
    assert len(world.pods()) == 1
    (left,) = world.pods()
    assert left["metadata"]["ownerReferences"][0]["uid"] == uid_of(replica_set)


async def test_a_refused_pod_is_tried_again(world):
    refusing = True

    def refuse(request):
        if request.resource == "pods" and refusing:
            raise RuntimeError("the disk is full")
        return []

    world.client.add_admission(refuse)
    world.deploy()
    assert world.pods() == []
    refusing = False
    world.retry()
    assert len(world.pods()) == 1
