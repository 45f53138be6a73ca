"""The scenario through the Lab: every step applied, checked, and reached from anywhere."""

import pytest

from labkit.errors import StepError
from labkit.kube.api.api import MERGE_PATCH
from labkit.kube.api.resources import DEPLOYMENTS, NAMESPACES, PODS
from labkit.scenario.learner import Learner
from labkit.scenario.steps import sources

from ..the_book import STEPS

pytestmark = pytest.mark.slow

HOME = "dev-service-mesh"
EGRESS = [
    "components.egressGateways[0].name=istio-egressgateway",
    "components.egressGateways[0].enabled=true",
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"step{step.number}")
def test_each_step_keeps_its_promises(lab, step, capsys):
    lab.goto(step.number)
    if step.egress_gateway:
        lab.istio_install(*EGRESS)
    for file in step.files:
        lab.apply(file)

    report = lab.check(step.number)

    assert report, str(report)
    printed = capsys.readouterr().out
    assert printed.count("$ kubectl apply") == len(step.files)
    assert "✗" not in str(report)


@pytest.mark.parametrize("step", [0, 1, 2, 3, 4, 5, 6])
def test_a_step_not_done_is_found_out(lab, step):
    lab.goto(step)

    report = lab.check(step)

    assert not report
    broken = [finding for finding in report.findings if not finding.holds]
    assert all(finding.seen for finding in broken)
    assert any(finding.hint for finding in broken), str(report)


def test_there_and_back(lab):
    lab.goto(6, finished=True)
    assert lab.check(6)
    lab.goto(1, finished=True)
    assert lab.check(1)
    lab.goto(4, finished=True)
    assert lab.check(4)


def test_going_nowhere_changes_nothing(lab):
    lab.goto(4)
    before = versions(lab)

    lab.goto(4)

    assert versions(lab) == before


def test_what_a_learner_left_behind_is_tidied_up(lab, cluster):
    lab.goto(2, finished=True)
    mess(lab, cluster)

    lab.goto(2, finished=True)

    assert lab.check(2)
    assert lab.api.find(DEPLOYMENTS.path(HOME, "stranger")) is None
    deployment = lab.api.get(DEPLOYMENTS.path(HOME, "service-b-deployment"))
    assert deployment["spec"]["replicas"] == 1
    assert "env" not in deployment["spec"]["template"]["spec"]["containers"][0]
    assert len(lab.api.items(PODS.path(HOME))) == 2


def mess(lab, cluster):
    """What people do: scale, set, pause, label, delete, apply in the wrong place."""
    kubectl = cluster.kubectl
    kubectl("-n", HOME, "scale", "deployment/service-b-deployment", "--replicas=2")
    kubectl("-n", HOME, "set", "env", "deployment/service-b-deployment", "DEBUG=1")
    kubectl("-n", HOME, "rollout", "pause", "deployment/service-a-v1-deployment")
    kubectl("-n", HOME, "create", "deployment", "stranger", "--image=nobody/knows")
    kubectl("-n", HOME, "delete", "service", "producer-internal-host")
    kubectl("-n", "default", "apply", "-f", cluster_manifest("serviceA-gw.yml"))
    kubectl("label", "namespace", HOME, "istio-injection-", "--overwrite")
    kubectl("create", "namespace", "external-cluster")
    lab.outbound_policy("ALLOW_ANY")


def cluster_manifest(name):
    return next(
        path for step in STEPS for path in (s.path for s in sources(step, Learner())) if path.name == name
    )


def test_pods_without_a_proxy_are_made_again(lab, cluster):
    lab.goto(1, finished=True)
    cluster.kubectl("label", "namespace", HOME, "istio-injection-")
    cluster.kubectl("-n", HOME, "rollout", "restart", "deployment/service-a-v1-deployment")
    cluster.kubectl("-n", HOME, "rollout", "status", "deployment/service-a-v1-deployment")
    report = lab.check(1)
    assert not report
    assert "1/1 means no proxy" in str(report)

    lab.goto(1, finished=True)

    assert lab.check(1)


def test_a_mesh_switched_off_is_switched_on(lab, cluster):
    lab.goto(1, finished=True)
    cluster.kubectl("-n", "istio-system", "scale", "deployment/istiod", "--replicas=0")
    cluster.kubectl("-n", "istio-system", "delete", "deployment/istio-ingressgateway")

    lab.goto(2)

    assert lab.check(1)


def test_reset_leaves_nothing(lab):
    lab.goto(6, finished=True)

    lab.reset()

    names = {namespace["metadata"]["name"] for namespace in lab.api.items(NAMESPACES.path())}
    assert not names & {HOME, "external-cluster", "outside"}
    assert lab.api.find(DEPLOYMENTS.path("istio-system", "istio-egressgateway")) is None
    assert lab.api.find(DEPLOYMENTS.path("istio-system", "istio-ingressgateway"))


@pytest.mark.parametrize("step", [-1, 7, "three"])
def test_no_such_step(lab, step):
    with pytest.raises(StepError, match="steps 0 to 6"):
        lab.goto(step)


def test_a_namespace_half_gone_is_waited_for(lab):
    lab.goto(1, finished=True)
    lab.api.request("DELETE", NAMESPACES.path(name=HOME))

    lab.goto(1, finished=True)

    assert lab.check(1)


def test_a_changed_rule_is_set_right(lab):
    lab.goto(3)
    path = f"/apis/networking.istio.io/v1/namespaces/{HOME}/virtualservices/producer-internal-host-vs"
    fault = {"fault": {"abort": {"httpStatus": 500, "percentage": {"value": 100}}}}
    rule = lab.api.get(path)["spec"]["http"][0] | fault
    lab.api.request("PATCH", path, body={"spec": {"http": [rule]}}, content_type=MERGE_PATCH)
    assert "fault" in lab.api.get(path)["spec"]["http"][0]

    lab.goto(3)

    assert lab.check(2)


def versions(lab):
    """resourceVersion of everything a step applies."""
    kinds = [DEPLOYMENTS.path(HOME), "/api/v1/services", "/apis/networking.istio.io/v1/virtualservices"]
    found = [obj for kind in kinds for obj in lab.api.items(kind)]
    return {
        (o["metadata"]["namespace"], o["metadata"]["name"]): o["metadata"]["generation"]
        for o in found
        if "generation" in o["metadata"]
    }
