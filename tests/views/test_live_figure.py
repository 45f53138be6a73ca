"""Pieces of a picture: the next one when the last is drawn, and nothing queues."""

import time

import pytest

from labkit.views import live_figure
from labkit.views.live_figure import LiveFigure


class Figure(LiveFigure):
    _esm = "export default {}"

    def __init__(self):
        self.pieces, self.turned = [], time.monotonic
        super().__init__(lambda whole: {"is": len(self.pieces)}, lambda: self.turned())

    def send(self, content, buffers=None):
        self.pieces.append((content["number"], content["whole"]))


@pytest.fixture
def figure(monkeypatch):
    monkeypatch.setattr(live_figure, "PAUSE", 0)
    made = Figure()
    yield made
    made.close()


def test_nobody_looks_so_nothing_is_sent(figure):
    for _ in range(100):
        figure.renew(at_once=True)
    assert figure.pieces == []

    figure.hear({"shown": True})
    assert figure.pieces == [(1, True)]


def test_a_page_that_does_not_get_on_is_sent_nothing_more(figure):
    figure.hear({"shown": True})
    for _ in range(100):
        figure.renew(at_once=True)
    assert figure.pieces == [(1, True)]

    figure.hear({"drawn": 1})
    assert figure.pieces == [(1, True), (2, False)], "one, with all that has come"
    figure.hear({"drawn": 1})
    figure.hear({"drawn": 2})
    assert len(figure.pieces) == 2, "nothing new"
    figure.renew()
    assert figure.pieces[-1] == (3, False)


def test_another_picture_is_sent_whole_when_the_page_is_ready(figure):
    figure.hear({"shown": True})
    figure.renew(whole=True)
    figure.renew()
    figure.hear({"drawn": 1})
    assert figure.pieces == [(1, True), (2, True)]

    figure.hear({"shown": True})  # a second view, while a piece is under way
    assert figure.pieces[-1] == (3, True)


def test_what_may_wait_waits_and_what_may_not_does_not(figure, monkeypatch):
    monkeypatch.setattr(live_figure, "PAUSE", 60)
    figure.hear({"shown": True})
    figure.hear({"drawn": 1})
    figure.renew()
    assert figure.pieces == [(1, True)]
    figure.renew(at_once=True)
    assert figure.pieces == [(1, True), (2, False)]


def test_a_kernel_that_hears_nobody_goes_on_slowly(figure, monkeypatch):
    figure.hear({"shown": True})
    figure.turned = lambda: time.monotonic() - 60
    figure.renew(at_once=True)
    assert len(figure.pieces) == 1, "not twice in a second"

    monkeypatch.setattr(live_figure, "_ONCE", 0)
    figure.renew(at_once=True)
    assert len(figure.pieces) == 2
