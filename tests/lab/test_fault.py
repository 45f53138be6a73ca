"""A service that is broken in the mesh: real requests meet it, a shift turns back, and all is as before."""

import contextlib

import pytest

from labkit.errors import UsageError
from labkit.kube.api.resources import ENVOY_FILTERS, VIRTUAL_SERVICES
from labkit.release.fault import Fault
from labkit.scenario.progress import own_work

from .. import the_book as cast
from ..shares import give, parts_now

pytestmark = pytest.mark.slow


@pytest.fixture
def lab(lab):
    """The lab where ServiceB and ServiceC are well, with half of the traffic each."""
    lab.goto(5, finished=True)
    give(lab.api, "ServiceC", 50)
    yield lab
    assert lab.api.items(ENVOY_FILTERS.path()) == [], "no fault is left"


def failed(lab, requests=60):
    """How many of some answers tell of the fault, and how many came from each service."""
    answers = lab.send("/service-a", requests=requests, concurrency=4)
    told = answers["body"].str.contains("fault filter abort")
    return int(told.sum()), answers["service"].value_counts()


def is_well(lab):
    """Whether the fault ends. (A connection that was open serves one more request as before.)"""
    return any(failed(lab)[0] == 0 for _ in range(10))


def failed_when_none_is_served(lab):
    """As ``failed``, once no connection is left that was open before: then ServiceC serves nobody."""
    rounds = (failed(lab) for _ in range(10))
    return next(round_ for round_ in rounds if "ServiceC" not in round_[1])


def test_it_is_met_by_real_requests_and_is_gone_after_the_block(lab):
    rule = lab.api.get(VIRTUAL_SERVICES.path(cast.HOME, "producer-internal-host-vs"))
    with lab.fault("C", errors=100) as broken:
        assert repr(broken) == "ServiceC fails 100 of 100 requests, until .off()."
        errors, answered = failed_when_none_is_served(lab)
        assert errors + answered["ServiceB"] == 60, "ServiceB is well"
        assert errors > 10
        lines = lab.access_log("service-c", of=lab.send("/service-a", requests=60))
        assert set(lines["response_code"]) == {503}
        assert set(lines["response_flags"]) == {"FI"}
        assert own_work(lab.api, lab.learner) == [], "it is the lab's own doing, which goto undoes unasked"
    assert repr(broken) == "ServiceC is well."
    assert is_well(lab)
    assert lab.api.get(VIRTUAL_SERVICES.path(cast.HOME, "producer-internal-host-vs")) == rule


def test_a_shift_to_a_service_that_fails_turns_back(lab):
    give(lab.api, "ServiceC", 0)
    with lab.fault("C", errors=30):
        course = lab.shift("C", [25, 100], requests=40)

    assert not course.succeeded
    assert "ServiceC failed" in course.reason
    assert "503" in course.reason
    assert parts_now(lab.api) == {"ServiceB": 100, "ServiceC": 0}


def test_a_shift_to_a_service_that_is_late_turns_back(lab):
    give(lab.api, "ServiceC", 0)
    with lab.fault("C", delay=0.4):
        course = lab.shift("C", [25, 100], requests=40, p95_ms=300)

    assert "ServiceC" in course.reason
    assert "300 ms" in course.reason
    assert parts_now(lab.api) == {"ServiceB": 100, "ServiceC": 0}


def test_an_error_in_the_block_and_an_interrupt_end_it(lab):
    for problem in (KeyboardInterrupt, ZeroDivisionError):
        with contextlib.suppress(problem), lab.fault("B", delay=0.01):
            raise problem
    assert lab.api.items(ENVOY_FILTERS.path()) == []


def test_an_interrupt_while_it_is_set_leaves_none(lab, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("labkit.release.fault.wait_for_proxies", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lab.fault("C", errors=1)


def test_goto_ends_it(lab):
    broken = lab.fault("C", errors=100)
    lab.goto(5, finished=True)
    assert is_well(lab)
    broken.off()


def test_another_fault_takes_the_place_of_the_first(lab):
    lab.fault("C", errors=100)
    broken = lab.fault("C", delay=0.001)
    assert is_well(lab), "some milliseconds late, but none fails"
    broken.off()


@pytest.mark.parametrize(
    "wrong", [{}, {"errors": 101}, {"errors": 0.5}, {"delay": -1}, {"delay": 61}, {"of": "D", "errors": 1}]
)
def test_what_makes_no_sense_is_refused(lab, wrong):
    with pytest.raises(UsageError):
        lab.fault(**wrong)


def test_a_service_without_a_pod_has_nobody_to_fail(lab):
    lab.goto(3)
    with pytest.raises(UsageError, match="no Service with pods of its own"):
        lab.fault("C", errors=1)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(30, 1), "fails 30 of 100 requests and answers 1 s late"),
        (Fault(0, 0.25), "answers 0.25 s late"),
        (Fault(), "is well"),
    ],
)
def test_its_words(fault, words):
    assert str(fault) == words
