"""``kubectl rollout`` against a running cluster, in its own words."""

import json
import uuid

import pytest

IMAGE = "artashesavetisyan/istio-basics-course:service-{}-java-11"


@pytest.fixture
def kubectl(cluster):
    """Types a command in a namespace of the test's own."""
    namespace = f"rollout-{uuid.uuid4().hex[:6]}"
    cluster.kubectl("create", "namespace", namespace)
    yield lambda *words: cluster.kubectl(*words, "-n", namespace)
    cluster.kubectl("delete", "namespace", namespace, "--wait")


@pytest.fixture
def web(kubectl):
    kubectl("create", "deployment", "web", f"--image={IMAGE.format('b')}")
    kubectl("rollout", "status", "deployment/web", "--timeout=20s")


def image(kubectl):
    return kubectl("get", "pods", "-o", "jsonpath={.items[*].spec.containers[*].image}")


def replica_sets(kubectl):
    listed = json.loads(kubectl("get", "replicasets", "-o", "json"))["items"]
    return sorted(each["spec"]["replicas"] for each in listed)


def test_a_new_image_history_and_undo(kubectl, web):
    kubectl("annotate", "deployment/web", "kubernetes.io/change-cause=first")
    kubectl("set", "image", "deployment/web", f"istio-basics-course={IMAGE.format('c')}")
    kubectl("annotate", "deployment/web", "kubernetes.io/change-cause=second", "--overwrite")
    done = kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    assert 'deployment "web" successfully rolled out' in done
    history = kubectl("rollout", "history", "deployment/web").split()
    assert history[-4:] == ["1", "first", "2", "second"]
    assert IMAGE.format("b") in kubectl("rollout", "history", "deployment/web", "--revision=1")
    assert kubectl("rollout", "undo", "deployment/web") == "deployment.apps/web rolled back\n"
    kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    kubectl("wait", "--for=jsonpath={.status.replicas}=1", "deployment/web", "--timeout=20s")
    assert replica_sets(kubectl) == [0, 1]
    assert kubectl("rollout", "history", "deployment/web").split()[-4:] == ["2", "second", "3", "first"]


def test_restart_makes_new_pods(kubectl, web):
    before = kubectl("get", "pods", "-o", "name")
    kubectl("rollout", "restart", "deployment/web")
    kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    kubectl("wait", "--for=delete", *before.split(), "--timeout=20s")
    after = kubectl("get", "pods", "-o", "name")
    assert after
    assert not set(before.split()) & set(after.split())


def test_pause_holds_the_rollout_and_resume_lets_it_go(kubectl, web):
    kubectl("rollout", "pause", "deployment/web")
    kubectl("set", "image", "deployment/web", f"istio-basics-course={IMAGE.format('c')}")
    kubectl("scale", "deployment/web", "--replicas=2")
    kubectl("wait", "--for=jsonpath={.status.readyReplicas}=2", "deployment/web", "--timeout=20s")
    assert image(kubectl).split() == [IMAGE.format("b")] * 2
    kubectl("rollout", "resume", "deployment/web")
    kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    kubectl("wait", "--for=jsonpath={.status.updatedReplicas}=2", "deployment/web", "--timeout=20s")
    assert replica_sets(kubectl) == [0, 2]


def test_an_unknown_image_leaves_the_old_pods_in_service(kubectl, web):
    kubectl("set", "image", "deployment/web", "istio-basics-course=nowhere/nothing:1")
    waiting = "jsonpath={.status.unavailableReplicas}=1"
    kubectl("wait", f"--for={waiting}", "deployment/web", "--timeout=20s")
    assert replica_sets(kubectl) == [1, 1]
    described = kubectl("describe", "deployment", "web")
    assert "1 desired | 1 updated | 2 total | 1 available | 1 unavailable" in described
    kubectl("rollout", "undo", "deployment/web")
    kubectl("rollout", "status", "deployment/web", "--timeout=20s")
