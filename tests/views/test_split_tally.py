"""What the panel has seen: shares of all, second by second, and only what is new."""

import pytest

from labkit.release.attribution import Told
from labkit.views.split_tally import Tally


def told(at, name="B", *, failed=False, error=False, ms=5.0):
    return Told(at, ms, name, failed, error)


@pytest.fixture
def tally():
    made = Tally(30)
    made.weigh(0, {"B": 75, "C": 25})
    return made


def test_shares_are_of_all_requests(tally):
    tally.add([told(1), told(2), told(3, "C"), told(4, None, failed=True)])
    b, c, failed, unknown = tally.piece(5, whole=False)["bars"]

    assert [bar[:2] for bar in (b, c, failed, unknown)] == [[2, 50.0], [1, 25.0], [1, 25.0], [0, 0.0]]
    assert [bar[4] for bar in (b, c, failed, unknown)] == [75, 25, None, None]
    assert b[2] < 50 < b[3]
    assert tally.split(5).counts == {"B": 2, "C": 1}
    assert tally.split(5).left_out == 1
    assert tally.errors(5) == (1, 4)


def test_only_the_new_is_told_and_all_to_a_new_view(tally):
    tally.add([told(1.5), told(2.5, error=True)])
    first = tally.piece(3, whole=True)
    assert [row[0] for row in first["seconds"]] == [1, 2]
    assert first["dots"] == []
    assert first["changes"] == [[0, [75, 25]]]

    tally.add([told(2.9, "C", ms=50)])
    second = tally.piece(3, whole=False)
    assert second["seconds"] == [[2, 2, 1, 50.0, 1, 1, 0, 0]]
    assert second["dots"] == [[1, 2.9, 0]]
    assert "changes" not in second
    assert tally.piece(3, whole=False)["seconds"] == []


def test_a_change_begins_anew_and_what_is_old_is_forgotten(tally):
    tally.add(told(at) for at in range(5))
    tally.weigh(3, {"B": 0, "C": 100})
    assert tally.counts(5)["B"] == 2
    assert tally.split(5).p_value == 0.0, "B has no weight any more"

    assert tally.counts(100).total() == 0
    assert tally.piece(100, whole=True)["seconds"] == []


def test_without_a_rule_there_are_no_weights(tally):
    tally.weigh(1, {"B": None, "C": None})
    tally.add([told(2)])

    assert tally.piece(3, whole=True)["bars"][0][4] is None
    assert tally.split(3).p_value is None
