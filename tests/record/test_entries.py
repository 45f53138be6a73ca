"""What is noted of an act, and what is taken for one when it is read back."""

import json

import pandas as pd
import pytest

from labkit.record import entries
from labkit.release.course import Shift, Step
from labkit.release.health import Health
from labkit.release.limits import Limits
from labkit.scenario.checks import Finding, Report
from labkit.scenario.quizzes import find_quiz

from .made import check, story


def test_each_comes_back_as_it_was():
    for entry in story():
        assert entries.read(entry.id, entry.text()) == entry


def test_what_was_observed_is_noted():
    found = (Finding("It answers", True, "Hello"), Finding("It is quick", False, "x" * 999, "be quick"))
    noted = entries.of_report(Report(3, found))
    assert noted.kind == "check"
    assert noted.step == 3
    assert not noted.good
    assert noted.content["promises"][0] == {
        "promise": "It answers",
        "holds": True,
        "seen": "Hello",
        "hint": "",
    }
    last = noted.content["promises"][1]
    assert (len(last["seen"]), last["hint"]) == (entries.LONGEST, "be quick")
    assert entries.of_report(Report(3, found, "One in four")).kind == "task"


def test_an_answer_is_noted_with_its_words():
    quiz = find_quiz(3)
    wrong = next(number for number in range(1, 4) if number != quiz.answer)
    assert entries.of_answer(quiz, quiz.answer).good
    noted = entries.of_answer(quiz, wrong)
    assert not noted.good
    assert noted.content["words"] == quiz.choices[wrong - 1]


def test_a_release_is_noted_with_its_course():
    health = (Health("ServiceB", 90, 0, 0, 2.0, 4.0), Health("ServiceC", 10, 9, 0, 2.0, 4.0))
    step = Step(10, 1.7e9, 12.34, health, reason="ServiceC failed")
    times = pd.to_datetime(["2026-11-30T09:00:00Z", "2026-11-30T09:00:04Z"])
    shift = Shift(
        "ServiceC", Limits(), {"ServiceB": 100, "ServiceC": 0}, [step], pd.DataFrame({"time": times})
    )
    noted = entries.of_release(shift, {"data": []})
    assert noted.content["outcome"] == "rolled back"
    assert noted.content["seconds"] == 4.0
    assert [one["errors"] for one in noted.content["steps"][0]["health"]] == [0, 9]
    assert entries.read(noted.id, noted.text()) == noted


HEAD = '{"kind": "statement", "time": "2026-11-30T09:00:00.000000Z"'
BROKEN = {
    "no JSON": "{",
    "no object": "[1]",
    "another kind": '{"kind": "confession", "time": "2026-11-30T09:00:00.000000Z"}',
    "no time": '{"kind": "statement", "statement": "x", "holds": true}',
    "a number for a text": f'{HEAD}, "statement": 1, "holds": true}}',
    "a number for a truth": f'{HEAD}, "statement": "", "holds": 1}}',
    "half a surrogate": f'{HEAD}, "statement": "\\ud800", "holds": true}}',
    "no number": f'{HEAD}, "statement": "", "holds": true, "x": NaN}}',
    "very deep": "[" * 100_000,
    "a kind that is a list": '{"kind": [], "time": "2026-11-30T09:00:00.000000Z"}',
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_what_is_none_is_left_out(text):
    """Who may write there may write anything."""
    assert entries.read("20261130T090000.000000Z-0123abcd", text) is None


def test_a_check_with_other_things_in_it_is_none():
    entry = check(0, 1, True)
    text = json.loads(entry.text()) | {"promises": [{"promise": "p"}]}
    assert entries.read(entry.id, json.dumps(text)) is None
    assert entries.read("../../etc/passwd", entry.text()) is None


def test_they_come_in_order_and_once():
    acts = story()
    assert entries.in_order([*reversed(acts), acts[3]]) == acts
