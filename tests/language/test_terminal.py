"""What `labkit look`, `doctor` and `reset` say in a terminal, in another language than English."""

import re
import socket

import pytest
from click.testing import CliRunner

from labkit.cli import labkit
from labkit.cli.doctor import machine, surroundings

from ..the_book import HOME
from .english import english

_BUTTONS = "[y/N]"
"""click's, in every language."""
_NAMES = re.compile(r"\b(billing|bookshop|default|outside|practice|stock|v[\d.]+)\b")


@pytest.fixture
def typed(speak, other):
    """What `labkit` prints for some words; what it asks is answered by *answer*."""

    def run(*words, answer=""):
        words = [*map(str, words), "--language", other]
        shown = CliRunner().invoke(labkit, words, input=answer).output
        assert shown
        return shown.replace(f"{_BUTTONS}: {answer}", "")

    return run


@pytest.mark.slow
def test_look_and_reset(cluster, given, typed, monkeypatch):
    monkeypatch.delenv("LABKIT_USER", raising=False)
    cluster.kubectl("delete", "namespace", HOME, "--ignore-not-found")  # of tests before
    cluster.kubectl("create", "namespace", HOME)
    cluster.kubectl("create", "namespace", "billing")
    try:
        said = [
            typed("look", "--kubeconfig", given, *more)
            for more in ([], ["--yes", "--production"], [], ["--scenario", "tests/scenarios/bookshop"])
        ]
        asked = typed("reset", answer="n\n")
        removed, nothing = typed("reset", "--yes"), typed("reset", "--yes")
    finally:
        for name in (HOME, "billing"):
            cluster.kubectl("delete", "namespace", name, "--ignore-not-found")
    lines = [line for text in said for line in text.splitlines()]
    assert [line for line in lines if english(_NAMES.sub("", line))] == []
    assert [english(text) for text in (asked, removed, nothing)] == [[], [], []]
    assert HOME in asked
    assert HOME in removed


def test_who_is_to_have_the_rights_is_told(typed):
    made = typed("look", "--roles", "anna")
    told = [line for line in made.splitlines() if line.startswith("# ") and "| kubectl" not in line]
    assert len(told) == 3
    assert [line for line in told if english(line)] == []


def test_what_doctor_looks_at(speak, other, monkeypatch):
    """Both what is well and what it would advise."""
    speak(other)
    for name, value in {"http_proxy": "http://127.0.0.1:9", "XDG_RUNTIME_DIR": "/nowhere"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [])
    monkeypatch.setattr(machine, "_tried", lambda _: ("", ""))
    monkeypatch.setattr(machine, "_can_listen", lambda *_: "")
    monkeypatch.setattr(surroundings, "FILES_NEEDED", 10**9)
    checks = (*machine.MACHINE, *surroundings.SURROUNDINGS)
    said = [part for check in checks for found in check() for part in (found.thing, found.remedy)]
    assert len(said) > 30
    commands = re.compile(r"^    .*$", re.MULTILINE)
    assert [text for text in said if english(commands.sub("", text))] == []
