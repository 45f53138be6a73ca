"""``--language`` of the commands that open and run the notebooks."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from labkit import language
from labkit.cli import open_lab, run
from labkit.errors import UsageError

from ..the_book import BOOK


class Enough(Exception):  # noqa: N818 - no error: the end of what is tested
    """What was to be seen was seen."""


@pytest.fixture
def command(speak):
    """Type a command of click's; what it raises comes through."""

    def typed(of, *words):
        done = CliRunner().invoke(of, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output

    return typed


@pytest.fixture
def opened(monkeypatch):
    """What ``labkit lab`` becomes: its words and its environment."""
    seen = []

    def become(program, words, environment):
        seen.append((words, environment))
        raise Enough

    monkeypatch.setattr(os, "execve", become)
    monkeypatch.setattr(open_lab, "_bring_up_own", lambda learner: "")
    return seen


@pytest.mark.parametrize("asked", ["ru", "ru_RU.UTF-8", "RU"])
def test_lab_opens_the_first_notebook_in_it(command, opened, asked):
    with pytest.raises(Enough):
        command(open_lab.lab, "--no-browser", "--language", asked)
    ((words, environment),) = opened
    assert f"--ServerApp.root_dir={BOOK.notebooks / 'ru'}" in words
    assert "--LabApp.default_url=/lab/tree/00-prepare.ipynb" in words
    assert environment["LABKIT_LANGUAGE"] == "ru", "so that kernels speak what the notebooks are written in"


def test_the_environment_says_it_where_nobody_does(command, opened, monkeypatch):
    monkeypatch.delenv("LABKIT_LANGUAGE")
    monkeypatch.setenv("LC_ALL", "ru_RU.UTF-8")
    with pytest.raises(Enough):
        command(open_lab.lab, "--no-browser")
    assert opened[0][1]["LABKIT_LANGUAGE"] == "ru"


def test_run_executes_those_in_it(command, monkeypatch):
    def plan(notebooks, output, *, in_place):
        raise Enough(notebooks)

    monkeypatch.setattr(run, "plan", plan)
    with pytest.raises(Enough) as chosen:
        command(run.run, "--language", "ru")
    assert {Path(path).parent for path in chosen.value.args[0]} == {BOOK.notebooks / "ru"}
    with pytest.raises(Enough) as chosen:
        command(run.run)
    assert {Path(path).parent for path in chosen.value.args[0]} == {BOOK.notebooks}


def test_one_that_is_not_there_is_told_of(command):
    with pytest.raises(UsageError, match="language is 'tlh', and the book has no such language; it has en"):
        command(run.run, "--language", "tlh")
    assert language.spoken() == "en"


def test_copies_of_an_installed_book_are_in_it(monkeypatch, tmp_path):
    """Beside those in English, if somebody works with both; what is there already stays as it is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "access", lambda *_: False)
    russian, english = (
        open_lab._writable(BOOK.chapters("ru"), BOOK),
        open_lab._writable(BOOK.chapters(), BOOK),
    )
    assert russian[0] == tmp_path / "labkit-notebooks" / "ru" / "00-prepare.ipynb"
    assert english[0] == tmp_path / "labkit-notebooks" / "00-prepare.ipynb"
    assert "Подготовка" in russian[0].read_text(encoding="utf-8")
    assert "Подготовка" not in english[0].read_text(encoding="utf-8")
