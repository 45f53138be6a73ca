"""Scenarios of one's own: nothing but data, and whatever the lab does for the book it does for them."""

from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BOOKSHOP = Path(__file__).parents[1] / "scenarios" / "bookshop"


def test_the_bookshop_holds(bench):
    """Three services, subsets, and a canary for testers' headers."""
    done = bench.labkit("run", "--scenario", BOOKSHOP, "-o", bench.root / "out", timeout=280)
    assert "5 of 5 notebooks passed" in done.stdout


def test_what_new_makes_holds(bench):
    mine = bench.root / "mine"
    said = bench.labkit("new", mine).stdout
    command = said.splitlines()[-1].split()
    assert command[:3] == ["labkit", "run", "--scenario"]
    done = bench.labkit(*command[1:], timeout=280)
    assert "2 of 2 notebooks passed" in done.stdout
