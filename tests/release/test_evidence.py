"""The error rates of the sequential test, simulated: a good destination stopped, a bad one let pass."""

import numpy as np
import pytest

from labkit.release.evidence import ALPHA, BETA, SequentialTest
from labkit.release.health import Health
from labkit.release.limits import Limits

RUNS, LONGEST = 10_000, 4_000
TEST = Limits().errors


def outcomes(share):
    """(called bad, called good, requests until then) over RUNS destinations that fail *share* of requests."""
    random = np.random.default_rng(20261130)
    bad, good, took = 0, 0, []
    for _ in range(20):
        fails = random.random((RUNS // 20, LONGEST)) < share
        failures = np.cumsum(fails, axis=1)
        requests = np.arange(1, LONGEST + 1)
        ratio = TEST.log_ratio(failures, requests)
        high, low = ratio >= np.log((1 - BETA) / ALPHA), ratio <= np.log(BETA / (1 - ALPHA))
        first_high = np.where(high.any(1), high.argmax(1), LONGEST)
        first_low = np.where(low.any(1), low.argmax(1), LONGEST)
        bad += int((first_high < first_low).sum())
        good += int((first_low < first_high).sum())
        took += np.minimum(first_high, first_low).tolist()
    return bad / RUNS, good / RUNS, float(np.median(took)) + 1


@pytest.mark.parametrize("share", [0.0, 0.005, 0.01])
def test_a_good_one_is_not_stopped_by_chance(share):
    bad, good, took = outcomes(share)

    print(f"\nfails {share:.1%}: stopped {bad:.2%}, passed {good:.2%}, half within {took:.0f} requests")
    assert bad <= 3 * ALPHA
    assert good + bad == 1


@pytest.mark.parametrize("share", [0.05, 0.06, 0.2, 1.0])
def test_a_bad_one_does_not_pass(share):
    bad, good, took = outcomes(share)

    print(f"\nfails {share:.1%}: stopped {bad:.2%}, passed {good:.2%}, half within {took:.0f} requests")
    assert good <= 3 * BETA
    assert good + bad == 1


def test_what_is_clearly_broken_is_found_out_by_a_few_requests():
    assert next(n for n in range(1, 100) if TEST.judge(n, n) == "bad") <= 5


@pytest.mark.parametrize(
    ("test", "failures", "requests", "judgement"),
    [
        (SequentialTest(0, 0, 20), 1, 1, "bad"),
        (SequentialTest(0, 0, 20), 0, 19, "open"),
        (SequentialTest(0, 0, 20), 0, 20, "good"),
        (SequentialTest(0.2, 1.0, 20), 30, 30, "good"),
        (SequentialTest(0.01, 0.05, 20), 0, 0, "open"),
    ],
)
def test_limits_at_the_ends(test, failures, requests, judgement):
    assert test.judge(failures, requests) == judgement


@pytest.mark.parametrize(
    ("seen", "broken"),
    [
        (Health("C", 300, 3, 0), None),
        (Health("C", 300, 30, 0), "failed 30 of 300"),
        (Health("C", 5, 5, 0), "failed 5 of 5"),
        (Health("C", 100, 0, 60, 5, 1500), "took longer than 1000 ms for 60 of 100"),
        (Health("C", 20, 0, 1), None),
        (Health("C", 0, 0), None),
    ],
)
def test_why_a_destination_is_broken(seen, broken):
    reason = Limits().broken_by(seen)

    assert reason is None if broken is None else broken in reason


def test_nothing_seen_is_not_good():
    assert Limits().judge(Health("C")) == "open"
