"""Presence: who looks on, by signs of the page and turns of the loop."""

import asyncio

import pytest

from labkit.views.presence import PATIENCE, Presence


class View:
    def __init__(self):
        self.said, self.gone = [], asyncio.Event()
        self.presence = Presence(self.came, self.went)

    def came(self):
        self.said.append("came")

    def went(self):
        self.said.append("went")
        self.gone.set()


@pytest.fixture
def view():
    made = View()
    yield made
    made.presence.close()


def sign(view):
    view.presence._handle_custom_msg({"here": True}, [])


def test_nobody_is_missed_who_was_never_there(view):
    for _ in range(3 * PATIENCE):
        view.presence.look()
    assert view.said == []


def test_signs_keep_it_and_silence_ends_it_once(view):
    for _ in range(3):
        sign(view)
        for _ in range(PATIENCE - 1):
            view.presence.look()
    assert view.said == ["came"]

    view.presence.look()
    view.presence.look()
    assert view.said == ["came", "went"]

    sign(view)
    assert view.said == ["came", "went", "came"]


async def test_the_loop_counts_and_a_closed_one_does_not_stay(view):
    own = View()
    sign(own)
    own.presence._silent = PATIENCE - 1
    await asyncio.wait_for(own.gone.wait(), 5)
    assert own.said == ["came", "went"]

    own.presence.close()
    sign(own)
    assert own.said == ["came", "went", "came"], "a sign still under way does no harm"
