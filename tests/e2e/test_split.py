"""Weights come out as asked: an exact test over 1,000 requests, from answers and ServiceA's log alike."""

import pytest

pytestmark = pytest.mark.slow

LEAST_LIKELY = 1e-6
"""A true split fails once in a million runs; a wrong one of some points fails always."""

REQUESTS = 1000


@pytest.fixture(autouse=True)
def split_step(lab):
    """Where ServiceB and ServiceC both answer."""
    lab.goto(4)


@pytest.mark.parametrize(("b", "c"), [(10, 90), (50, 50), (90, 10), (100, 0)])
def test_a_split(lab, split_rule, b, c):
    lab.apply(split_rule(b, c))
    answers = lab.send("/service-a", requests=REQUESTS, concurrency=8)
    log = lab.access_log("service-a", of=answers)
    called = log[log["upstream_cluster"].str.startswith("outbound")]

    asked = {"ServiceB": b, "ServiceC": c}
    for seen in (lab.split(answers, asked), lab.split(called, asked)):
        assert seen.total == REQUESTS
        assert seen.left_out == 0
        assert seen.p_value >= LEAST_LIKELY, str(seen)
        print(seen)
    assert answers["status"].eq(200).all()
    assert lab.weights() == asked


def test_a_wrong_split_is_found_out(lab, split_rule):
    """The test above can fail: 50/50 is no 65/35."""
    lab.apply(split_rule(50, 50))
    answers = lab.send("/service-a", requests=REQUESTS, concurrency=8)
    assert lab.split(answers, {"ServiceB": 65, "ServiceC": 35}).p_value < LEAST_LIKELY
