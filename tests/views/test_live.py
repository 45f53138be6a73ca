"""A cell that runs again closes what it made before; what it made in one run stays together."""

import ipywidgets as widgets
import pytest

from labkit.views import live
from labkit.views.quiz import QuizView


class View(live.LiveView):
    def __init__(self):
        self.box = widgets.VBox([widgets.HTML()])
        self.stopped = False
        self.replace_former()

    def still(self):
        return {"text/plain": "still"}

    def stop(self):
        self.stopped = True


@pytest.fixture
def run(monkeypatch):
    """Pretend that a cell runs: ``run("cell", "message")``."""
    request = {}
    monkeypatch.setattr(live, "_request", lambda: request)
    monkeypatch.setattr(live.LiveView, "_by_cell", {})

    def begin(cell, message):
        request.update(metadata={"cellId": cell}, header={"msg_id": message})

    return begin


def test_a_cell_run_again_closes_all_it_made(run):
    run("one", "1")
    first, second = View(), View()
    run("two", "2")
    other = View()
    assert not first.stopped
    assert not second.stopped

    run("one", "3")
    third = View()

    assert first.stopped
    assert second.stopped
    assert first.box.comm is None
    assert not other.stopped
    assert not third.stopped


def test_it_is_alive_where_a_cell_is_named_and_still_elsewhere(run):
    assert View()._repr_mimebundle_()[0] == {"text/plain": "still"}

    run("one", "1")
    assert "application/vnd.jupyter.widget-view+json" in View()._repr_mimebundle_()[0]


def test_a_saved_notebook_that_is_opened_again_says_what_to_do(run):
    run("one", "1")
    shown = QuizView(1)._repr_mimebundle_()[0]

    assert "Somebody deletes the Gateway" in shown["text/html"], "a page without its widgets shows this"
    assert "Run this cell again" in shown["text/html"]
    assert "Somebody deletes the Gateway" in shown["text/plain"]
