"""What is told while one waits, where nobody sees a spinner."""

from labkit.cli import progress as module
from labkit.cli.progress import Progress


def test_a_pipe_is_told_of_what_takes_more_than_a_moment(monkeypatch, capsys):
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    with Progress() as shown:
        shown.doing("waiting for the moon")
        shown._late.join()
    assert capsys.readouterr().out == "… waiting for the moon\n"


def test_a_pipe_is_not_told_of_moments(monkeypatch, capsys):
    monkeypatch.setattr(module, "PATIENCE", 60.0)
    with Progress() as shown:
        shown.doing("this")
        first = shown._late
        shown.doing("that")
        shown.done("All")
        first.join()
    assert capsys.readouterr().out == "✔ All\n"
