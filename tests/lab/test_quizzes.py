"""What the quizzes say is so, on a real cluster."""

import time

import pytest

from labkit.errors import RequestFailed, UsageError
from labkit.kube.api.api import MERGE_PATCH
from labkit.kube.api.resources import DEPLOYMENTS, NAMESPACES, PODS
from labkit.kube.proxies.proxies import proxy_of
from labkit.scenario.quizzes import find_quiz

pytestmark = pytest.mark.slow

HOME = "dev-service-mesh"


def patch(lab, path, body):
    lab.api.request("PATCH", path, body=body, content_type=MERGE_PATCH)


def right(step):
    quiz = find_quiz(step)
    return quiz.choices[quiz.answer - 1]


@pytest.mark.parametrize("step", range(7))
def test_each_step_has_one(lab, step):
    view = lab.quiz(step)

    assert view.answer(view.quiz.answer).startswith("Yes. ")
    for other in {1, 2, 3} - {view.quiz.answer}:
        assert view.answer(other) == f"No. {view.quiz.not_so[other]} Think again."
        assert right(step) not in view.answer(other), "whoever is wrong may find it yet"
    assert len(view.quiz.choices) == 3
    assert right(step) in repr(view)
    assert view.quiz.why not in view.still()["text/html"]


def test_choosing(lab):
    view = lab.quiz(3)
    with pytest.raises(UsageError, match="1 to 3"):
        view.answer(4)
    assert repr(view.answer(2)).startswith("Yes. "), "a notebook shows no quotation marks"
    view.buttons["Answer"].click()
    assert "Choose one first." in view.status.value

    view.choices.value = 1
    view.buttons["Answer"].click()
    assert "✗" in view.result.value
    view.choices.value = 2
    assert view.result.value == "", "that was about another answer"
    view.buttons["Answer"].click()
    assert "✓" in view.result.value
    assert view.status.value == ""


def test_0_a_pod_that_runs_gets_no_proxy(lab):
    lab.goto(1, finished=True)
    patch(lab, NAMESPACES.path("", HOME), {"metadata": {"labels": {"istio-injection": None}}})
    lab.delete("serviceA-v1-deployment.yml")
    lab.apply("serviceA-v1-deployment.yml")
    patch(lab, NAMESPACES.path("", HOME), {"metadata": {"labels": {"istio-injection": "enabled"}}})
    lab.apply("producer-internal-host.yml")

    assert [proxy_of(pod) for pod in lab.api.items(PODS.path(HOME))] == [None]
    assert right(0) == "Not before it is made again"


def test_1_nobody_listens_without_a_gateway(lab):
    lab.goto(1, finished=True)
    lab.delete("serviceA-gw.yml")

    wait_until(lambda: not lab.gateway.accepts())  # Envoy says "acknowledged" a moment before it closes
    with pytest.raises(RequestFailed, match=right(1)):
        lab.curl("/service-a")


def wait_until(fact, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_2_a_name_without_pods_is_a_503(lab):
    lab.goto(2, finished=True)
    patch(lab, DEPLOYMENTS.path(HOME, "service-b-deployment"), {"spec": {"replicas": 0}})
    lab.wait()

    assert right(2) in lab.curl("/service-a").text


def test_5_the_callers_own_proxy_says_no(lab):
    lab.goto(5)
    lab.apply("outside.yml")
    lab.apply("outbound.yml")

    answer = lab.curl("/outbound")

    assert "502" in answer.text
    routes = lab.access_log("outbound", of=answer)["route_name"].astype("str")
    assert "block_all" in set(routes)
    assert right(5) == "The proxy beside ServiceA"
