"""A workload's scale, and the logs of pods that run."""

import pytest

MERGE = "application/merge-patch+json"


@pytest.fixture
def web(api_server, deployments, deployment):
    """The path of a Deployment that wants no pods."""
    assert api_server.ask("POST", deployments, deployment).code == 201
    return f"{deployments}/{deployment['metadata']['name']}"


def test_the_scale_of_a_deployment(api_server, web, deployment):
    scale = api_server.ask("GET", f"{web}/scale").json
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    name = deployment["metadata"]["name"]
    assert (scale["spec"], scale["status"]) == ({}, {"replicas": 0, "selector": f"app={name}"})


def test_scaling_by_patch(api_server, web):
    done = api_server.ask("PATCH", f"{web}/scale", {"spec": {"replicas": 2}}, content_type=MERGE)
    back = api_server.ask("PATCH", f"{web}/scale", {"spec": {"replicas": 0}}, content_type=MERGE)
    assert (done.code, done.json["spec"]) == (200, {"replicas": 2})
    assert (back.code, back.json["spec"]) == (200, {})
    assert api_server.ask("GET", web).json["spec"]["replicas"] == 0


def test_scaling_by_put_needs_the_newest_version(api_server, web):
    scale = api_server.ask("GET", f"{web}/scale").json
    api_server.ask("PATCH", web, {"spec": {"minReadySeconds": 1}}, content_type=MERGE)
    late = api_server.ask("PUT", f"{web}/scale", {**scale, "spec": {"replicas": 1}})
    assert late.refusal[:2] == (409, "Conflict")
    del scale["metadata"]["resourceVersion"]
    assert api_server.ask("PUT", f"{web}/scale", scale).code == 200


def test_scaling_below_nothing(api_server, web):
    refused = api_server.ask("PATCH", f"{web}/scale", {"spec": {"replicas": -1}}, content_type=MERGE)
    assert refused.refusal[:2] == (422, "Invalid")
    message = "Invalid value: -1: must be greater than or equal to 0"
    assert refused.causes == [("spec.replicas", "FieldValueInvalid", message)]


def test_the_log_of_no_pod(api_server, core):
    refused = api_server.ask("GET", f"{core}/pods/none/log")
    assert refused.refusal == (404, "NotFound", 'pods "none" not found')


def test_the_scale_of_nothing(api_server, deployments):
    refused = api_server.ask("GET", f"{deployments}/none/scale")
    assert refused.refusal == (404, "NotFound", 'deployments.apps "none" not found')


@pytest.fixture
def istiod(api_server, needs_pods):
    """The path of a pod that has said something."""
    pods = "/api/v1/namespaces/istio-system/pods"
    found = api_server.ask("GET", pods, labelSelector="app=istiod").names
    if not found:
        pytest.skip("no istiod here")
    return f"{pods}/{found[0]}"


def test_a_pods_log(api_server, istiod):
    log = api_server.ask("GET", f"{istiod}/log", accept="*/*")
    assert log.code == 200
    assert log.headers["Content-Type"].startswith("text/plain")
    assert log.body.count(b"\n") > 1


def test_the_end_of_a_log_with_times(api_server, istiod):
    log = api_server.ask("GET", f"{istiod}/log", accept="*/*", tailLines="1", timestamps="true")
    (line,) = log.body.splitlines()
    assert line[:2] == b"20"
    assert line.split()[0].endswith(b"Z")


def test_the_beginning_of_a_log(api_server, istiod):
    assert len(api_server.ask("GET", f"{istiod}/log", accept="*/*", limitBytes="10").body) == 10


def test_a_container_that_is_not_there(api_server, istiod):
    refused = api_server.ask("GET", f"{istiod}/log", container="nobody")
    name = istiod.rpartition("/")[2]
    assert refused.refusal == (400, "BadRequest", f"container nobody is not valid for pod {name}")


def test_pods_come_with_a_scale(api_server, web, deployment, core, needs_controllers):
    query = {"labelSelector": f"app={deployment['metadata']['name']}", "timeoutSeconds": "60"}
    with api_server.watch(f"{core}/pods", **query) as watch:
        api_server.ask("PATCH", f"{web}/scale", {"spec": {"replicas": 1}}, content_type=MERGE)
        added = watch.until("ADDED")["object"]
        api_server.ask("PATCH", f"{web}/scale", {"spec": {"replicas": 0}}, content_type=MERGE)
        watch.until("DELETED")
    assert added["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet"
