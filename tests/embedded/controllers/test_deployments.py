"""Deployments: rollouts as ``kubectl rollout`` knows them."""

import datetime as dt

from labkit.embedded.objects import condition_of, labels_of, mutable, name_of, uid_of
from labkit.embedded.status import forbidden

REVISION = "deployment.kubernetes.io/revision"


def progress(deployment):
    condition = condition_of(deployment, "Progressing")
    return condition["status"], condition["reason"], condition["message"]


def revisions(world):
    return [each["metadata"]["annotations"][REVISION] for each in world.sets()]


async def test_a_deployment_gets_a_replica_set_and_pods(world):
    deployment = world.deploy(replicas=2)
    (replica_set,) = world.sets()
    digest = labels_of(replica_set)["pod-template-hash"]
    assert name_of(replica_set) == f"web-{digest}"
    assert replica_set["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": digest}
    assert len(world.pods()) == 2
    for pod in world.pods():
        stem, _, suffix = name_of(pod).rpartition("-")
        assert (stem, len(suffix)) == (name_of(replica_set), 5)
        assert labels_of(pod)["pod-template-hash"] == digest
        (owner,) = pod["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"], owner["controller"]) == ("ReplicaSet", uid_of(replica_set), True)
    assert deployment["metadata"]["annotations"][REVISION] == "1"


async def test_the_status_follows_the_pods(world):
    deployment = world.deploy(replicas=2)
    assert deployment["status"]["unavailableReplicas"] == 2
    assert condition_of(deployment, "Available")["reason"] == "MinimumReplicasUnavailable"
    assert progress(deployment)[:2] == ("True", "ReplicaSetUpdated")
    world.run_all()
    status = world.deployment()["status"]
    assert {name: status[name] for name in ("replicas", "updatedReplicas", "readyReplicas")} == {
        "replicas": 2,
        "updatedReplicas": 2,
        "readyReplicas": 2,
    }
    assert "unavailableReplicas" not in status
    assert status["observedGeneration"] == world.deployment()["metadata"]["generation"]
    assert condition_of(world.deployment(), "Available")["reason"] == "MinimumReplicasAvailable"
    name = name_of(world.sets()[0])
    message = f'ReplicaSet "{name}" has successfully progressed.'
    assert progress(world.deployment()) == ("True", "NewReplicaSetAvailable", message)


async def test_events_tell_the_story(world):
    world.deploy(replicas=1)
    (replica_set,), (pod,) = world.sets(), world.pods()
    scaled = f"Scaled up replica set {name_of(replica_set)} from 0 to 1"
    assert world.events("ScalingReplicaSet") == [scaled]
    assert world.events("SuccessfulCreate") == [f"Created pod: {name_of(pod)}"]
    world.change(replicas=0)
    assert world.events("SuccessfulDelete") == [f"Deleted pod: {name_of(pod)}"]


async def test_a_rolling_update_adds_before_it_takes_away(world):
    world.deploy(replicas=3)
    world.run_all()
    world.deploy(replicas=3, image="v2")
    assert world.sizes() == [3, 1]  # 25 % surge is one pod, 25 % unavailable is none
    (new,) = [pod for pod in world.pods() if pod["spec"]["containers"][0]["image"] == "v2"]
    world.run(new)
    assert world.sizes() == [2, 2]
    world.run_all()
    assert world.sizes() == [0, 3]
    assert progress(world.deployment())[1] == "NewReplicaSetAvailable"


async def test_recreate_waits_until_all_old_pods_are_gone(world):
    world.deploy(replicas=2, strategy={"type": "Recreate"})
    world.run_all()
    world.deploy(replicas=2, image="v2", strategy={"type": "Recreate"})
    assert world.sizes() == [0]
    first, second = world.client.list("pods", "dev")
    world.end(first)
    assert world.sizes() == [0]
    world.end(second)
    assert world.sizes() == [0, 2]
    assert all(pod["spec"]["containers"][0]["image"] == "v2" for pod in world.pods())


async def test_undo_brings_the_old_replica_set_back_under_a_new_revision(world):
    for image in ("v1", "v2"):
        world.deploy(image=image)
        world.run_all()
    first = uid_of(world.sets()[0])
    world.deploy(image="v1")
    world.run_all()
    assert revisions(world) == ["2", "3"]
    assert uid_of(world.sets()[1]) == first
    assert world.sets()[1]["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"
    assert world.deployment()["metadata"]["annotations"][REVISION] == "3"
    assert world.sizes() == [0, 1]


async def test_the_change_cause_is_kept_with_its_revision(world):
    cause = "kubernetes.io/change-cause"
    for image in ("v1", "v2"):
        world.deploy(image=image)
        annotations = {"annotations": {cause: f"use {image}"}}
        world.client.patch("deployments.apps", "web", "dev", {"metadata": annotations})
        world.settle()
    assert [each["metadata"]["annotations"][cause] for each in world.sets()] == ["use v1", "use v2"]


async def test_early_revisions_are_forgotten(world):
    for number in range(5):
        world.deploy(image=f"v{number}", revisionHistoryLimit=2)
        world.run_all()
    assert revisions(world) == ["3", "4", "5"]


async def test_a_paused_deployment_scales_but_does_not_roll(world):
    world.deploy(replicas=1)
    world.run_all()
    world.deploy(replicas=2, image="v2", paused=True)
    assert world.sizes() == [2]
    assert progress(world.deployment()) == ("Unknown", "DeploymentPaused", "Deployment is paused")
    world.change(paused=False)
    world.run_all()
    assert world.sizes() == [0, 2]
    assert progress(world.deployment())[1] == "NewReplicaSetAvailable"


async def test_a_rollout_paused_half_way_is_scaled_in_proportion(world):
    world.deploy(replicas=10, strategy={"rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}})
    world.run_all()
    world.deploy(replicas=10, image="v2")
    assert world.sizes() == [8, 5]  # the example of the Kubernetes documentation
    world.change(replicas=15)
    assert world.sizes() == [11, 7]


async def test_scaling_what_is_complete_is_no_rollout(world):
    world.deploy(replicas=1)
    world.run_all()
    world.change(replicas=3)
    assert progress(world.deployment())[1] == "NewReplicaSetAvailable"
    assert len(world.sets()) == 1
    assert len(world.pods()) == 3


async def test_a_rollout_that_stands_still_is_late(world):
    world.deploy(progressDeadlineSeconds=60)
    deployment = mutable(world.deployment())
    long_ago = "2020-01-01T00:00:00Z"
    condition_of(deployment, "Progressing")["lastUpdateTime"] = long_ago
    world.client.update_status("deployments.apps", deployment)
    world.settle()
    name = name_of(world.sets()[0])
    message = f'ReplicaSet "{name}" has timed out progressing.'
    assert progress(world.deployment()) == ("False", "ProgressDeadlineExceeded", message)
    world.run_all()
    assert progress(world.deployment())[:2] == ("True", "NewReplicaSetAvailable")


async def test_ready_is_not_yet_available(world):
    world.deploy(minReadySeconds=30)
    now = dt.datetime.now(dt.UTC)
    world.run(world.pods()[0], since=now)
    status = world.deployment()["status"]
    assert (status["readyReplicas"], status.get("availableReplicas", 0)) == (1, 0)
    world.run(world.pods()[0], since=now - dt.timedelta(seconds=31))
    assert world.deployment()["status"]["availableReplicas"] == 1


async def test_min_ready_seconds_reach_the_replica_set(world):
    world.deploy()
    world.change(minReadySeconds=5)
    assert [each["spec"]["minReadySeconds"] for each in world.sets()] == [5]


async def test_why_pods_cannot_be_made_is_told(world):
    world.client.add_admission(refuse_pods)
    deployment = world.deploy()
    failure = condition_of(deployment, "ReplicaFailure")
    assert failure["reason"] == "FailedCreate"
    assert failure["message"].endswith("is forbidden: no room")
    assert progress(deployment)[1] == "NewReplicaSetCreated"
    assert world.events("FailedCreate")[0].startswith('Error creating: pods "web-')


def refuse_pods(request):
    if request.resource == "pods":
        raise forbidden("pods", name_of(request.object), "no room")
    return []


async def test_deleting_a_deployment_leaves_nothing(world):
    world.deploy(replicas=2)
    world.delete("deployments.apps", "web")
    assert world.sets() == []
    assert world.client.list("pods", "dev") == []


async def test_deleted_and_created_again_at_once(world):
    world.deploy()
    world.run_all()
    before = {uid_of(pod) for pod in world.pods()}
    world.client.delete("deployments.apps", "web", "dev")
    world.deploy()
    world.retry()
    assert len(world.pods()) == 1
    assert not before & {uid_of(pod) for pod in world.pods()}


async def test_orphans_are_adopted_by_who_selects_them(world):
    world.deploy()
    pods = {uid_of(pod) for pod in world.pods()}
    world.delete("deployments.apps", "web", propagation="Orphan")
    assert "ownerReferences" not in world.sets()[0]["metadata"]
    world.deploy()
    assert {uid_of(pod) for pod in world.pods()} == pods
    owner = world.sets()[0]["metadata"]["ownerReferences"][0]
    assert owner["uid"] == uid_of(world.deployment())
