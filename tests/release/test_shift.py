"""A whole shift in a world by chance: judged right every time, and the rule back on every kind of end."""

import signal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import ConnectionLost
from labkit.release.finding import rule_of
from labkit.release.note import before
from labkit.release.shift import run
from labkit.release.work import PATIENCE

from .world import B, ByChance, C, plain, shifted, virtual_service, weights_of, work

RUNS = 40


def runs(**how):
    return [shifted(seed=seed, **how) for seed in range(RUNS)]


@pytest.mark.parametrize("shadow", [None, 1.0, 0.5])
def test_one_as_good_as_the_other_takes_over(shadow):
    for found in runs(shadow=shadow, fails=0.002):
        assert found.shift.succeeded, found.shift.verdict
        assert weights_of(found.api.obj) == (0, 100)
        assert before(rule_of(found.api.obj)) is None
        assert not rule_of(found.api.obj).mirrors


@pytest.mark.parametrize("shadow", [None, 1.0, 0.5])
@pytest.mark.parametrize(
    "how", [{"fails": 0.06}, {"fails": 1.0}, {"slow": 0.6}, {"gone": True}, {"lost": 0.3}], ids=str
)
def test_a_bad_one_is_sent_back(how, shadow):
    was = plain(virtual_service())
    for found in runs(shadow=shadow, **how):
        assert not found.shift.succeeded
        assert found.shift.rolled_back_at
        assert plain(found.api.obj) == was
        if shadow and "lost" not in how:
            assert found.watch.exposed == 0, "before anybody was exposed"
            assert "before anybody was exposed" in found.shift.verdict
            assert found.clock.monotonic() < PATIENCE, "by what the copies show, not for want of time"


def test_nothing_sent_is_no_success():
    for shadow in (None, 1.0):
        found = shifted(shadow=shadow, rate=0.01)
        assert "no evidence is no success" in found.shift.reason
        assert plain(found.api.obj) == plain(virtual_service())


def test_weights_that_do_not_choose_are_told():
    """Sessions that stick to a version, whatever the weights say."""

    class Sticky(ByChance):
        def _flow(self):
            super()._flow()
            self.rows[:, 1] = 0

    found = shifted(traffic=Sticky, weights=(50,))

    assert "by its weight it should be about" in found.shift.reason
    assert "something else than the weights chooses" in found.shift.reason
    assert plain(found.api.obj) == plain(virtual_service())


RULES = {
    "two": virtual_service(),
    "one, which mirrors to two others": virtual_service(
        [
            {
                "retries": {"attempts": 2},
                "mirrors": [
                    {"destination": {"host": "x.far"}},
                    {"destination": B, "percentage": {"value": 3}},
                ],
                "route": [{"destination": B}],
            }
        ],
        annotations={"team": "blue"},
    ),
    "its own mirror, at a share of its own": virtual_service(
        [{"mirror": C, "mirrorPercent": 50, "route": [{"destination": B, "weight": 7}, {"destination": C}]}]
    ),
}
OLD = RULES["one, which mirrors to two others"]


class Moments:
    """Counts what happens in a world; at the moments of *when* it does so to it."""

    def __init__(self, when=()):
        self.when, self.count, self.seen = dict(when), 0, []

    def __call__(self, what):
        self.seen.append(what)
        self.count += 1
        if act := self.when.get(self.count - 1):
            act()


def interrupt():
    signal.raise_signal(signal.SIGINT)


def lost():
    raise ConnectionLost("The API server is gone.")


def moments(rule, shadow):
    """How many there are in a whole shift."""
    step = Moments()
    assert shifted(rule, shadow=shadow, step=step, weights=(50, 100)).shift.succeeded
    assert {"after write", "acknowledgement", "wait"} <= set(step.seen)
    return step.count


MOMENTS = {(name, shadow): moments(rule, shadow) for name, rule in RULES.items() for shadow in (None, 1.0)}


@given(st.data(), st.sampled_from(sorted(MOMENTS, key=str)))
@settings(max_examples=150)
def test_an_interrupt_at_any_moment_leaves_nothing(data, which):
    """And more of them, at any moment while the rule is put back."""
    first = data.draw(st.integers(0, MOMENTS[which] - 1))
    more = data.draw(st.lists(st.integers(1, 8), max_size=2, unique=True))
    found = work(
        RULES[which[0]],
        shadow=which[1],
        step=Moments({first: interrupt} | {first + later: interrupt for later in more}),
    )

    former = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(found, (50, 100))

    assert plain(found.api.obj) == plain(RULES[which[0]])
    assert found.watch.closed
    assert signal.getsignal(signal.SIGINT) is former


def test_who_insists_is_let_go_and_told_how_to_do_it_by_hand():
    """The API server is gone, and somebody does not want to wait for it."""
    said, interrupts = [], 0

    def gone(what):
        nonlocal interrupts
        if found.api.writes and what == "before read":
            lost()
        if found.api.writes and what == "wait":
            interrupts += 1
            interrupt()

    found = work(step=lambda what: gone(what), say=said.append)

    with pytest.raises(KeyboardInterrupt):
        run(found, (50, 100))

    assert interrupts == 4, "the first one ends the shift"
    assert "left as it is. By hand:\nkubectl apply" in said[-1]


@given(st.data(), st.sampled_from(sorted(MOMENTS, key=str)))
@settings(max_examples=150)
def test_a_connection_that_is_lost_is_waited_for(data, which):
    first, long = data.draw(st.integers(0, MOMENTS[which] - 1)), data.draw(st.integers(1, 30))
    said = []
    found = work(RULES[which[0]], shadow=which[1], step=Moments(), say=said.append)
    gone = range(first, first + long)
    found.api.step = found.strategy._step = lambda what, step=found.api.step: (
        step(what),
        at(step, gone, what),
    )

    failed = False
    try:
        run(found, (50, 100))
    except ConnectionLost:
        failed = True

    if failed:
        assert plain(found.api.obj) == plain(RULES[which[0]])
        assert "back to " in said[-1]
        # what is lost for longer is told, once
        assert sum("not back yet" in line for line in said) <= 1
    else:
        assert weights_of(found.api.obj) == (0, 100)


def at(step, gone, what):
    if step.count - 1 in gone and what != "wait":
        lost()


@pytest.mark.parametrize("shadow", [None, 1.0])
@pytest.mark.parametrize("again", [None, 0.4])
@pytest.mark.parametrize("fails", [0.0, 0.5])
def test_one_that_was_cut_off_is_taken_up_by_another(shadow, again, fails):
    """A kernel that died after any of its writes."""
    for state in shifted(OLD, shadow=shadow).api.writes[:-1]:
        said = []
        found = shifted(state, shadow=again, fails=fails, say=said.append)
        assert found.shift.succeeded is (fails == 0)
        http = found.api.obj["spec"]["http"][0]
        assert http["mirrors"] == OLD["spec"]["http"][0]["mirrors"], "its own copies come back exactly"
        assert found.api.obj["metadata"]["annotations"] == {"team": "blue"}
        if fails:
            assert plain(found.api.obj) == plain(OLD)
            assert "back to B 100, C 0" in said[-1]


def test_what_others_change_meanwhile_stays():
    """Labels, managed fields, a route of their own: whoever wrote last is read again."""
    step = Moments()
    found = work(OLD, shadow=1.0, step=step, fails=1.0)

    def others(what):
        if what == "before write":
            metadata = found.api.obj["metadata"]
            metadata["resourceVersion"] = str(int(metadata["resourceVersion"]) + 100)
            metadata["labels"] = {"seen": metadata["resourceVersion"]}
            metadata["managedFields"] = [{"manager": "argocd"}]
            found.api.step = step

    found.api.step = others
    run(found, (50, 100))

    expected = plain(OLD)
    expected["metadata"] |= {"labels": {"seen": "101"}, "managedFields": [{"manager": "argocd"}]}
    assert plain(found.api.obj) == expected
