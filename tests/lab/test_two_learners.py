"""Two learners at once in one Python process, on one cluster: each has a part of it, and sees no other."""

from contextlib import ExitStack

import pytest

from labkit import Lab
from labkit.book.checks import ANSWER_B, ANSWER_UNKNOWN_HOST

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def learners(cluster):
    with ExitStack() as stack:
        labs = [
            stack.enter_context(Lab(kubeconfig=cluster.kubeconfig, user=name)) for name in ("", "ann", "bob")
        ]
        for each in labs:  # the one alone last: she takes the egress gateway away, too
            stack.callback(each.reset)
        _, ann, bob = labs
        ann.goto(2, finished=True)
        bob.goto(1, finished=True)
        yield ann, bob


def authorities(lab):
    return set(lab.access_log("istio-ingressgateway")["authority"].dropna())


def test_each_is_at_a_step_of_their_own(learners):
    ann, bob = learners

    sent = {lab.learner.name: lab.send("/service-a", requests=6, concurrency=2) for lab in (ann, bob)}

    assert set(sent["ann"]["body"]) == {ANSWER_B}
    assert set(sent["bob"]["body"]) == {ANSWER_UNKNOWN_HOST}
    assert ann.check(2)
    assert bob.check(1)
    assert authorities(ann) == {"ann.lab.test"}
    assert authorities(bob) == {"bob.lab.test"}
    hops = ann.hops(sent["ann"])
    assert len(hops) == 6 * 4, "gateway, ServiceA's proxy in and out, ServiceB's"
    assert not [pod for pod in hops["pod"] if pod in set(bob.access_log("service-a")["pod"])]


def test_a_picture_shows_ones_own(learners):
    ann, bob = learners
    for lab in learners:
        lab.send("/service-a", requests=2)

    assert "ServiceB" in str(ann.graph())
    assert "ServiceB" not in str(bob.graph())
    assert {*ann.pods()["namespace"]} == {ann.learner.home, "istio-system"}


def test_going_elsewhere_leaves_the_other_where_they_are(learners):
    ann, bob = learners

    ann.goto(5, finished=True)
    bob.goto(1, finished=True)

    assert ann.check(5), "the egress gateway, which bob has no use for, stays"
    assert bob.check(1)
    assert bob.weights() is None
    assert ann.weights() == {"ServiceB": 50, "ServiceC": 50}


def test_one_of_a_class_hears_of_rules_for_any_host(learners, cluster, capsys):
    with Lab(kubeconfig=cluster.kubeconfig, user="") as nameless:
        assert capsys.readouterr().out == ""
        nameless.goto(1, finished=True)
        capsys.readouterr()
        with Lab(kubeconfig=cluster.kubeconfig, user="ann"):
            told = capsys.readouterr().out
        nameless.reset()
        capsys.readouterr()
    assert told.startswith("! Somebody works here without a name: VirtualService ")
    assert "dev-service-mesh is for any host, and answers requests for ann.lab.test" in told
    with Lab(kubeconfig=cluster.kubeconfig, user="ann"):
        assert capsys.readouterr().out == ""
