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
    return _counted(lambda random, shape: _looked_at(random.random(shape) < share))


def outcomes_of_copies(share, fails, come=1.0):
    """The same of the shadow phase: that *share* of requests is copied, so many copies *come*, of those
    some *fail*. Of all requests, each is known to have one or not; of some nobody knows which."""
    return _counted(lambda random, shape: _copies_looked_at(random, shape, share, fails, come))


def _looked_at(failed):
    """Where the test of errors calls each run of requests bad, and where good, after each of them."""
    return _called(np.cumsum(failed, axis=1), np.arange(1, failed.shape[1] + 1))


def _called(failures, requests, test=TEST):
    ratio = test.log_ratio(failures, requests)
    well = (ratio <= np.log(BETA / (1 - ALPHA))) & (requests >= test.at_least)
    return ratio >= np.log((1 - BETA) / ALPHA), well


def _copies_looked_at(random, shape, share, fails, come):
    copied = random.random(shape) < share
    came = copied & (random.random(shape) < come)
    failed = came & (random.random(shape) < fails)
    if share == 1:
        return _looked_at(failed | ~came)
    broken, well = _called(np.cumsum(failed, axis=1), np.cumsum(came, axis=1))
    too_few, _ = _called(np.cumsum(~came, axis=1), np.arange(1, shape[1] + 1), Limits().missing(share))
    return broken | too_few, well


def _counted(look):
    random = np.random.default_rng(20261130)
    bad, good, took = 0, 0, []
    for _ in range(20):
        broken, well = look(random, (RUNS // 20, LONGEST))
        first_bad = np.where(broken.any(1), broken.argmax(1), LONGEST)
        first_good = np.where(well.any(1), well.argmax(1), LONGEST)
        bad += int((first_bad <= first_good)[first_bad < LONGEST].sum())
        good += int((first_good < first_bad).sum())
        took += np.minimum(first_bad, first_good).tolist()
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


SHARES = [1, 0.5]


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("fails", [0.0, 0.005, 0.01])
def test_a_good_one_is_not_sent_back_by_its_copies(share, fails):
    bad, good, took = outcomes_of_copies(share, fails)

    print(f"\n{share:.0%} copied, fails {fails:.1%}: stopped {bad:.2%}, half within {took:.0f} requests")
    assert bad <= 3 * ALPHA
    assert good + bad == 1


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize(("fails", "come"), [(0.05, 1.0), (0.06, 1.0), (0.2, 1.0), (0.0, 0.0), (0.06, 0.9)])
def test_a_bad_one_is_known_by_its_copies(share, fails, come):
    """Also one whose copies come to nobody; what is missing of a part only adds to that."""
    bad, good, took = outcomes_of_copies(share, fails, come)

    words = f"{share:.0%} copied, {come:.0%} come, fails {fails:.1%}"
    print(f"\n{words}: passed {good:.2%}, half within {took:.0f} requests")
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
