"""The mesh itself is broken: every hint says so, and none speaks of weights or manifests."""

import os
import re
import signal
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from labkit.embedded.cluster import processes
from labkit.errors import RequestFailed, WaitFailed
from labkit.kube.api.api import MERGE_PATCH
from labkit.kube.api.resources import DEPLOYMENTS
from labkit.kube.convergence.mesh_health import first_trouble, mesh_troubles
from labkit.release import shift as release
from labkit.scenario import place
from labkit.scenario.checks import Finding
from labkit.scenario.hints import explain, explain_task
from labkit.traffic import answers as traffic

from ..shares import give, parts_now

pytestmark = pytest.mark.slow

OF_THE_LESSON = re.compile(r"weight|\bapply\b|\.yml|timeout:", re.IGNORECASE)
BROKEN = [
    Finding("All answers are as promised", False, "nothing came", "Apply it again: the weights are wrong."),
    Finding("The pods run", False, "1/2", "Apply the manifest.", workloads=("service-b-deployment",)),
    Finding("The gateway answers", False, "503", "Apply the Gateway.", steps=(0, 4)),
]


def hints(found):
    return [finding.hint for finding in found if not finding.holds]


@contextmanager
def stopped(cluster, pod):
    """The Envoy of *pod*, stopped as on a machine that is overloaded or asleep."""
    envoys = [pid for pid, name in processes.of(cluster.running.pid).items() if name.startswith("envoy")]
    pid = next(pid for pid in envoys if pod in (Path(f"/proc/{pid}/cwd") / "envoy.json").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def pod_of(lab, deployment):
    return next(pod for pod in lab.pods()["name"] if pod.startswith(deployment))


@pytest.mark.parametrize(
    ("deployment", "kind"), [("service-a-v1-deployment", "sidecar"), ("istio-ingressgateway", "gateway")]
)
def test_a_proxy_that_gives_no_answer_is_named(lab, cluster, deployment, kind):
    lab.goto(3, finished=True)
    pod = pod_of(lab, deployment)

    with stopped(cluster, pod):
        for told in (
            hints(explain(lab.api, lab.learner, 3, BROKEN)),
            hints(explain_task(lab.api, lab.learner, 3, BROKEN)),
        ):
            assert told[0].startswith(f"The {kind} proxy of pod {pod} in ")
            assert "gives no answer" in told[0]
            assert not [hint for hint in told if OF_THE_LESSON.search(hint)]
            assert set(told[1:]) == {"The same as above."}
        said = cluster.labkit("status", check=False).stdout
    assert f"The {kind} proxy of pod {pod}" in said
    assert lab.check(3)


def test_requests_splits_and_gotos_name_the_broken_gateway(lab, cluster, monkeypatch):
    lab.goto(3, finished=True)
    named = f"The gateway proxy of pod {pod_of(lab, 'istio-ingressgateway')} in istio-system"
    monkeypatch.setattr(place, "_PROXIES", 1.0)

    with stopped(cluster, pod_of(lab, "istio-ingressgateway")):
        with pytest.raises(RequestFailed) as unanswered:
            lab.curl("/service-a", timeout=1)
        answers = traffic.send(lab._url("/service-a"), requests=2, concurrency=2, timeout=1)
        split = lab.split(answers).verdict
        with pytest.raises(WaitFailed) as late:
            lab.goto(3)

    for said in (str(unanswered.value), split, str(late.value)):
        assert named in said
        assert not OF_THE_LESSON.search(said)


def test_a_shift_through_a_broken_gateway_says_nothing_of_the_destination(lab, cluster, monkeypatch):
    lab.goto(5, finished=True)
    give(lab.api, "ServiceC", 0)
    pod = pod_of(lab, "istio-ingressgateway")
    gateway = stopped(cluster, pod)
    monkeypatch.setattr(release, "PATIENCE", 3.0)

    def hear(line):
        if line.startswith("ServiceC 50 %:"):  # the weights are in force; now nothing answers
            gateway.__enter__()

    def look(*where):
        try:
            return first_trouble(*where)
        finally:
            gateway.__exit__(None, None, None)

    monkeypatch.setattr(release, "first_trouble", look)
    monkeypatch.setitem(release.shift.__kwdefaults__, "say", hear)
    course = lab.shift(to="C", steps=[50, 100], requests=40)

    assert f"The gateway proxy of pod {pod} in istio-system" in course.shift.verdict
    assert "ServiceC" not in course.reason
    assert parts_now(lab.api) == {"ServiceB": 100, "ServiceC": 0}


def test_the_panel_names_the_broken_gateway_until_it_answers_again(lab, cluster):
    lab.goto(3, finished=True)
    named = f"The gateway proxy of pod {pod_of(lab, 'istio-ingressgateway')} in istio-system"
    panel = lab.split_panel(rate=20)
    try:
        panel.start()
        until(lambda: panel.stream.sent > 20)
        with stopped(cluster, pod_of(lab, "istio-ingressgateway")):
            until(lambda: named in panel.controls.errors.value)
        until(lambda: named not in panel.controls.errors.value)
    finally:
        panel.close()


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


def test_without_istiod_nothing_else_is_blamed(lab):
    lab.goto(3, finished=True)
    path = DEPLOYMENTS.path("istio-system", "istiod")
    lab.api.request("PATCH", path, body={"spec": {"replicas": 0}}, content_type=MERGE_PATCH)

    told = hints(explain(lab.api, lab.learner, 3, BROKEN))

    assert told[0].startswith("istiod is scaled to 0.")
    assert not [hint for hint in told if OF_THE_LESSON.search(hint)]
    lab.goto(3)


def test_a_healthy_mesh_is_not_blamed(lab):
    lab.goto(3, finished=True)

    assert list(mesh_troubles(lab.api)) == []
    assert "still sends one half each" in hints(explain_task(lab.api, lab.learner, 3, BROKEN))[0]


def test_a_task_is_judged_as_ever_where_the_mesh_is_well_and_not_where_it_is_broken(lab, cluster):
    lab.goto(3, finished=True)
    assert "still sends one half each" in str(lab.task(3).check())

    with stopped(cluster, pod_of(lab, "service-c-deployment")):
        found = lab.task(4).check()  # asks only the gateway; nothing of it waits for ServiceC

    assert "sidecar proxy of pod service-c-deployment" in found.findings[0].hint
