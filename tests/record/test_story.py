"""Where somebody stands, and what becomes of a record that grows."""

import datetime as dt

from labkit.record.condensing import LARGEST, condensed, size
from labkit.record.story import Standing, standing, steps_done

from .made import BEGAN, answer, at, check, release, story


def minute(number):
    return BEGAN + dt.timedelta(minutes=number)


def test_who_is_stuck_and_since_when():
    acts = story()
    assert standing([]) == Standing()
    assert standing(acts[:1]) == Standing(1, (), "", None, minute(0))
    assert standing(acts[:3]) == Standing(1, (), "p1", minute(1), minute(2))
    assert standing(acts[:5]) == Standing(1, (), "p1", minute(1), minute(4)), "an answer mends nothing"
    assert standing(acts[:6]) == Standing(1, (1,), "", None, minute(5))
    assert standing(acts) == Standing(2, (1,), "p0", minute(9), minute(9))


def test_another_promise_is_another_stop():
    acts = [check(1, 1, False, True), check(2, 1, True, False), check(5, 1, True, False)]
    assert standing(acts).since == minute(2)


def test_what_grows_too_large_is_counted():
    """And what tells of it stays: the first that held, the newest, the releases."""
    acts = [check(number / 60, 3, False, True) for number in range(3000)]
    acts[700] = check(700 / 60, 3, True, True)
    acts += [answer(60, 3, 1, True), *(release(61 + n, {"data": ["x" * 20_000]}) for n in range(12))]
    assert size(acts) > LARGEST

    found = condensed(acts)

    assert size(found) < 0.6 * LARGEST
    assert steps_done(found) == (3,)
    kept = {entry.id for entry in found}
    assert {acts[700].id, acts[2999].id, acts[3000].id} <= kept
    assert [("picture" in one.content) for one in found if one.kind == "release"] == [False] * 7 + [True] * 5
    (told,) = [one for one in found if one.kind == "condensed"]
    assert told.content["counts"] == {"check 3": len(acts) - (len(found) - 1)}
    assert told.content["since"] == acts[0].time


def test_it_is_counted_on():
    first = condensed([check(number / 60, 3, False) for number in range(5000)])
    more = condensed(
        [*first, *(at(100 + n / 60, "statement", statement="x" * 500, holds=True) for n in range(2000))]
    )
    (told,) = [one for one in more if one.kind == "condensed"]
    assert sum(told.content["counts"].values()) + len(more) - 1 == 7000
    assert set(told.content["counts"]) == {"check 3", "statement"}


def test_what_is_small_stays_as_it_is():
    acts = story()
    assert condensed(acts) == acts
