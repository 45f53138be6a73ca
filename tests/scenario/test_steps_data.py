"""The steps as data say what the scenario says."""

import re

import pytest
import yaml

from labkit.errors import StepError, UsageError
from labkit.kube.api.manifests import parse, read
from labkit.scenario.learner import Learner
from labkit.scenario.steps import sources

from .. import the_book as cast

STEPS, find_step, namespace_of = cast.STEPS, cast.BOOK.find_step, cast.BOOK.namespace_of
FILES = [(step, source) for step in STEPS for source in sources(step, Learner())]

# (kind, name) in the order the scenario applies them, each step's namespace aside
SCENARIO = {
    1: [
        ("Deployment", "service-a-v1-deployment"),
        ("Service", "service-a-srv"),
        ("Gateway", "service-a-gw"),
        ("VirtualService", "inbound-to-service-a-vs"),
    ],
    2: [
        ("Deployment", "service-b-deployment"),
        ("Service", "producer-internal-host"),
        ("VirtualService", "producer-internal-host-vs"),
    ],
    3: [
        ("Deployment", "service-c-deployment"),
        ("Service", "service-c-srv"),
        ("VirtualService", "producer-internal-host-vs"),
    ],
    4: [
        ("Namespace", "external-cluster"),
        ("Deployment", "service-ext-deployment"),
        ("Service", "service-ext-srv"),
        ("Gateway", "service-ext-gw"),
        ("VirtualService", "inbound-to-service-ext-vs"),
    ],
    5: [("Gateway", "istio-egressgateway"), ("VirtualService", "outbound-srv-c-to-external-srv-vs")],
    6: [("VirtualService", "producer-internal-host-vs")],
}


@pytest.mark.parametrize("number", SCENARIO)
def test_each_step_applies_what_the_scenario_applies(number):
    found = [(obj["kind"], obj["metadata"]["name"]) for obj in cast.objects(find_step(number))]

    assert found == SCENARIO[number]


def test_deployments_are_as_the_scenario_has_them():
    for step in STEPS:
        for obj in cast.objects(step):
            if obj["kind"] != "Deployment":
                continue
            [container] = obj["spec"]["template"]["spec"]["containers"]
            assert obj["spec"]["replicas"] == 1
            assert container["imagePullPolicy"] == "Always"
            assert container["securityContext"] == {"runAsUser": 1000}
            assert container["resources"] == {"limits": {"memory": "32Mi", "cpu": "100m"}}
            assert re.fullmatch(
                r"artashesavetisyan/istio-basics-course:service-(a|b|c|ext)-java-11", container["image"]
            )


@pytest.mark.parametrize(("file", "weights"), [("10-c", [90, 10]), ("50-c", [50, 50]), ("90-c", [10, 90])])
def test_weights_are_in_the_file_name(file, weights):
    source = read(f"producer-internal-host-{file}-vs.yml", [cast.BOOK.manifests])

    [rule] = parse(source)
    assert [route["weight"] for route in rule.object["spec"]["http"][0]["route"]] == weights


def test_file_names_are_unique():
    names = [path.name for path in cast.BOOK.manifests.rglob("*.yml")]

    assert len(names) == len(set(names))


def test_every_manifest_explains_itself():
    for path in cast.BOOK.manifests.rglob("*.yml"):
        assert path.read_text().startswith("# "), path
        assert list(yaml.safe_load_all(path.read_text()))


def test_objects_know_their_namespace():
    for step in STEPS:
        for obj in cast.objects(step):
            namespace = obj["metadata"].get("namespace")
            assert namespace == (None if obj["kind"] == "Namespace" else step.namespace)


def test_files_know_their_namespace(tmp_path):
    for step, source in FILES:
        assert namespace_of(source.path) == step.namespace
    assert namespace_of(tmp_path / "mine.yml") is None


@pytest.mark.parametrize("number", [-1, 7, 1.5, "2", None])
def test_no_such_step(number):
    with pytest.raises(StepError, match="0 to 6"):
        find_step(number)


def test_workloads_of_the_manifests_are_in_the_cast():
    deployments = {
        obj["metadata"]["name"] for step in STEPS for obj in cast.objects(step) if obj["kind"] == "Deployment"
    }

    assert deployments <= {deployment for workload in cast.WORKLOADS for deployment in workload.deployments}


def test_an_unknown_workload_names_the_known():
    with pytest.raises(UsageError, match=r"'service-x'.*service-a, service-b"):
        cast.BOOK.find_workload("service-x")
