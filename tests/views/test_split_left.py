"""What is left in a saved notebook: written when something has come of something, not by the clock."""

import pytest

from labkit.views.split_left import LeftBehind

from ..clocks import ManualClock


class Notebook:
    """Counts how often it has to be saved again."""

    def __init__(self, monkeypatch):
        self.clock, self.times = ManualClock(), 0
        self.left = LeftBehind(lambda: {"text/plain": "so it stands"}, clock=self.clock)
        for name in ("display", "update_display"):
            monkeypatch.setattr(f"IPython.display.{name}", self.write)

    def write(self, bundle, **_):
        assert bundle == {"text/plain": "so it stands"}
        self.times += 1

    def run(self, seconds, about):
        """Answers come, ten times a second."""
        for _ in range(10 * seconds):
            self.left.renew(about)
            self.clock.sleep(0.1)


@pytest.fixture
def notebook(monkeypatch):
    return Notebook(monkeypatch)


def test_what_nobody_has_shown_is_not_written(notebook):
    notebook.left.renew("weights", at_once=True)
    assert notebook.times == 0


def test_a_stream_that_runs_for_an_hour_is_written_once(notebook):
    notebook.left.show()
    notebook.run(3600, about="50 / 50")
    assert notebook.times == 2, "as it was shown, and with its first answers"


def test_each_change_is_written_when_it_can_be_seen_and_an_end_at_once(notebook):
    notebook.left.show()
    notebook.run(20, about="50 / 50")
    notebook.run(5, about="60 / 40")
    assert notebook.times == 2, "what is changed again meanwhile is not"
    notebook.run(20, about="90 / 10")
    assert notebook.times == 3
    notebook.left.renew("90 / 10", at_once=True)
    assert notebook.times == 4
