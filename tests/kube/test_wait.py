"""Rollouts: done, hopeless, or too slow; deletions; all by watching."""

import queue
import re
import threading
import time

import pytest

from labkit.errors import WaitFailed, WaitTimeout
from labkit.kube.api.resources import DEPLOYMENTS, NAMESPACES, PODS
from labkit.kube.api.wait import is_rolled_out, wait_for_pods, wait_for_rollouts, wait_until_gone


def deployment(available, *, generation=1, observed=1, replicas=1, conditions=()):
    template = {"spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "ns", "generation": generation},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "d"}}, "template": template},
        "status": {
            "observedGeneration": observed,
            "replicas": replicas,
            "updatedReplicas": replicas,
            "availableReplicas": available,
            "conditions": list(conditions),
        },
    }


def pod(reason="", *, image="i"):
    state = {"waiting": {"reason": reason, "message": "so it is"}} if reason else {"running": {}}
    return {
        "kind": "Pod",
        "metadata": {"name": "d-1", "namespace": "ns", "labels": {"app": "d"}},
        "spec": {"containers": [{"name": "c", "image": image}]},
        "status": {"phase": "Pending", "containerStatuses": [{"name": "c", "state": state}]},
    }


class Story:
    """Lists and watch events of a namespace, told step by step."""

    def __init__(self, server, deployments, pods):
        self.queues = {kind: queue.Queue() for kind in (DEPLOYMENTS, PODS)}
        for kind, items in ((DEPLOYMENTS, deployments), (PODS, pods)):
            path = kind.path("ns")
            server.answer("GET", path, {"metadata": {"resourceVersion": "7"}, "items": items})
            server.answer("WATCH", path, self.queues[kind])

    def tell(self, kind, type_, obj):
        self.queues[kind].put({"type": type_, "object": obj})

    def end(self):
        for one in self.queues.values():
            one.put(None)


@pytest.fixture
def story(server):
    told = []

    def tell(deployments, pods=()):
        told.append(Story(server, deployments, list(pods)))
        return told[-1]

    yield tell
    for one in told:
        one.end()


def test_done_already(story, api):
    story([deployment(1)])

    wait_for_rollouts(api, [("ns", "d")], timeout=5)


@pytest.mark.parametrize(
    "why",
    [
        'Internal error occurred: failed calling webhook "namespace.sidecar-injector.istio.io": failed to '
        'call webhook: Post "https://istiod.istio-system.svc:443/inject": context deadline exceeded',
        'pods "d-1-" is forbidden: error looking up service account ns/default: '
        'serviceaccount "default" not found',
    ],
)
def test_pods_that_are_made_again_are_waited_for(story, api, why):
    """The ReplicaSet's controller tries again where that is not the pod's fault."""
    refused = [{"type": "ReplicaFailure", "status": "True", "message": why}]
    told = story([deployment(0, conditions=refused)])
    told.tell(DEPLOYMENTS, "MODIFIED", deployment(1))
    wait_for_rollouts(api, [("ns", "d")], timeout=5)

    story([deployment(0, conditions=refused)])
    with pytest.raises(WaitTimeout, match=re.escape(why)):
        wait_for_rollouts(api, [("ns", "d")], timeout=0.3)


def test_pods_that_are_never_made(story, api):
    why = 'pods "d-1-" is forbidden: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0'
    story([deployment(0, conditions=[{"type": "ReplicaFailure", "status": "True", "message": why}])])

    with pytest.raises(WaitFailed, match="exceeded quota"):
        wait_for_rollouts(api, [("ns", "d")], timeout=5)


def test_done_later(story, api):
    told = story([deployment(0)], [pod()])
    told.tell(DEPLOYMENTS, "MODIFIED", deployment(1))

    wait_for_rollouts(api, [("ns", "d")], timeout=5)


def test_made_later(story, api):
    told = story([])
    told.tell(DEPLOYMENTS, "ADDED", deployment(1))

    wait_for_rollouts(api, [("ns", "d")], timeout=5)


@pytest.mark.parametrize("reason", ["ImagePullBackOff", "CrashLoopBackOff", "InvalidImageName"])
def test_hopeless_ends_at_once(story, api, reason):
    told = story([deployment(0)], [pod("ContainerCreating")])
    told.tell(PODS, "MODIFIED", pod(reason))
    began = time.monotonic()

    with pytest.raises(WaitFailed, match=f"container c is in {reason}: so it is"):
        wait_for_rollouts(api, [("ns", "d")], timeout=60)

    assert time.monotonic() - began < 5


def test_an_image_that_is_not_there_ends_at_once(story, api):
    missing = pod("ErrImagePull")
    missing["status"]["containerStatuses"][0]["state"]["waiting"]["message"] = "manifest x not found"
    story([deployment(0)], [missing])

    with pytest.raises(WaitFailed, match="manifest x not found"):
        wait_for_rollouts(api, [("ns", "d")], timeout=60)


def test_a_pull_that_failed_once_may_succeed(story, api):
    told = story([deployment(0)], [pod("ErrImagePull")])
    told.tell(DEPLOYMENTS, "MODIFIED", deployment(1))

    wait_for_rollouts(api, [("ns", "d")], timeout=5)


def test_an_old_template_may_be_broken(story, api):
    told = story([deployment(0)], [pod("ImagePullBackOff", image="old")])
    told.tell(DEPLOYMENTS, "MODIFIED", deployment(1))

    wait_for_rollouts(api, [("ns", "d")], timeout=5)


def test_a_deadline_passed_ends_it(story, api):
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "late"}
    story([deployment(0, conditions=[late])])

    with pytest.raises(WaitFailed, match="late"):
        wait_for_rollouts(api, [("ns", "d")], timeout=5)


def test_deleted_meanwhile(story, api):
    told = story([deployment(0)])
    told.tell(DEPLOYMENTS, "DELETED", deployment(0))

    with pytest.raises(WaitFailed, match="was deleted"):
        wait_for_rollouts(api, [("ns", "d")], timeout=5)


def test_too_slow_says_what_was_there(story, api):
    story([deployment(0)], [pod("ContainerCreating")])

    with pytest.raises(WaitTimeout, match=r"d \(0 of 1 available; pod d-1 Pending \(c ContainerCreating\)\)"):
        wait_for_rollouts(api, [("ns", "d")], timeout=0.3)


def test_too_slow_says_why_no_node_takes_the_pod(story, api):
    why = "0/1 nodes are available: 1 node(s) were unschedulable."
    lost = pod()
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why}
    lost["status"] = {"phase": "Pending", "conditions": [condition]}
    story([deployment(0)], [lost])
    with pytest.raises(WaitTimeout) as failed:
        wait_for_rollouts(api, [("ns", "d")], timeout=0.2)
    assert f"pod d-1 Pending ({why})" in str(failed.value)


def test_nothing_to_wait_for(api):
    wait_for_rollouts(api, [])


@pytest.mark.parametrize(
    ("obj", "done"),
    [
        (deployment(1), True),
        (deployment(1, generation=2), False),
        (deployment(1, replicas=2), False),
        (deployment(0, replicas=0), True),
    ],
)
def test_what_rolled_out_means(obj, done):
    assert is_rolled_out(obj) is done


def test_gone_already(story, api):
    story([], [])

    wait_until_gone(api, PODS, "ns", "d-1", timeout=5)


def test_gone_later(story, api):
    told = story([], [pod()])
    told.tell(PODS, "DELETED", pod())

    wait_until_gone(api, PODS, "ns", "d-1", timeout=5)


def test_another_of_the_same_name_is_not_waited_for(story, api):
    again = pod()
    again["metadata"]["uid"] = "second"
    story([], [again])

    wait_until_gone(api, PODS, "ns", "d-1", uid="first", timeout=5)


def test_still_there(story, api):
    story([], [pod()])

    with pytest.raises(WaitTimeout, match="pod/d-1 is still being deleted"):
        wait_until_gone(api, PODS, "ns", "d-1", timeout=0.3)


def test_a_namespace_says_what_is_still_in_it(server, api):
    said = "Some resources are remaining: pods. has 1 resource instances"
    conditions = [
        {
            "type": "NamespaceDeletionDiscoveryFailure",
            "status": "False",
            "message": "All resources discovered",
        },
        {"type": "NamespaceContentRemaining", "status": "True", "message": said},
    ]
    namespace = {"metadata": {"name": "ns"}, "status": {"phase": "Terminating", "conditions": conditions}}
    listed = {"metadata": {"resourceVersion": "7"}, "items": [namespace]}
    server.answer("GET", NAMESPACES.path(), listed)
    changes = queue.Queue()
    server.answer("WATCH", NAMESPACES.path(), changes)

    with pytest.raises(WaitTimeout) as told:
        wait_until_gone(api, NAMESPACES, "", "ns", timeout=0.3)
    changes.put(None)

    assert str(told.value).endswith(f"is still being deleted after 0 s. {said}")


def test_a_watch_that_ends_is_opened_again(story, server, api):
    told = story([], [pod()])
    told.end()
    server.answer("GET", PODS.path("ns"), {"metadata": {"resourceVersion": "9"}, "items": [pod()]})
    again = story([], [pod()])
    again.tell(PODS, "DELETED", pod())

    wait_until_gone(api, PODS, "ns", "d-1", timeout=5)


def test_no_thread_is_left(story, api):
    before = threading.active_count()
    story([deployment(0)])

    with pytest.raises(WaitTimeout):
        wait_for_rollouts(api, [("ns", "d")], timeout=0.2)

    watching = [thread for thread in threading.enumerate() if thread.name.startswith("watch ")]
    assert not watching, f"{watching} of {before}"


def test_a_cluster_that_comes_back_waits_for_no_pod_that_can_not_be_ready(server, api):
    def named(name, **status):
        return {"kind": "Pod", "metadata": {"name": name, "namespace": "ns"}, "spec": {}, "status": status}

    unplaced = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    ready = {"type": "Ready", "status": "True"}
    items = [
        named("up", phase="Running", conditions=[ready]),
        named("ended", phase="Failed", reason="DeadlineExceeded"),
        named("unplaced", phase="Pending", conditions=[unplaced]),
    ]
    server.answer("GET", PODS.path(), {"metadata": {"resourceVersion": "7"}, "items": items})
    events = queue.Queue()
    server.answer("WATCH", PODS.path(), events)
    assert wait_for_pods(api, timeout=20) == ["ns/unplaced"]
    events.put(None)
