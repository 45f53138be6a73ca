"""What shows that everything has arrived, by a clock of the test's own."""

import pytest

from labkit.kube.convergence.evidence import QUIET, SETTLED, Evidence

RULE, OTHER = ("vs", "dev"), ("other", "dev")


@pytest.fixture
def evidence():
    made = Evidence([], 0.0)
    made.add("before", set(), 0.02)
    return made


def test_silence_alone(evidence):
    evidence.add("before", set(), QUIET - 0.01)

    assert not evidence.is_settled(QUIET - 0.02)
    assert evidence.is_settled(QUIET)


def test_one_look_is_no_silence_however_long_it_takes():
    evidence = Evidence([], 0.0)
    evidence.add("before", set(), 5.0)

    assert not evidence.is_settled(0.0)


def test_a_push_then_silence(evidence):
    evidence.add("after", set(), 0.12)

    assert not evidence.is_settled(0.12 + SETTLED - 0.01)
    assert evidence.is_settled(0.12 + SETTLED)


def test_a_push_that_began_before_is_another_one(evidence):
    """istiod waits for 100 ms after a change, so what comes sooner was under way."""
    evidence.add("of another change", set(), 0.05)

    assert not evidence.is_settled(0.05 + SETTLED)
    evidence.add("after", set(), 0.17)
    assert evidence.is_settled(0.17 + SETTLED)


def test_a_second_push_is_waited_for(evidence):
    evidence.add("after", set(), 0.12)
    evidence.add("and more", set(), 0.24)

    assert not evidence.is_settled(0.12 + SETTLED)


@pytest.mark.parametrize(
    ("rules", "looks", "decisive"),
    [
        ([RULE], [{RULE}, set()], True),
        ([RULE], [set(), set()], False),
        ([RULE], [{OTHER}, set()], False),
        ([RULE], [{RULE}, {OTHER}], False),
        ([RULE, OTHER], [{RULE}, set()], False),
        ([RULE, OTHER], [{RULE}, {OTHER}, set()], True),
        ([], [{RULE}, set()], False),
    ],
)
def test_the_change_itself(rules, looks, decisive):
    evidence = Evidence(rules, 0.0)
    for number, wrong in enumerate(looks):
        evidence.add(number, wrong, 0.01 * number)

    assert evidence.is_decisive is decisive
