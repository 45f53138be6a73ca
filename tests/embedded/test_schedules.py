"""Schedules: the next time, and what is none."""

import datetime as dt
import re

import pytest

from labkit.embedded.schedules import parse

START = dt.datetime(2026, 3, 28, 23, 59, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("*/15 * * * *", ["03-29 00:00", "03-29 00:15"]),
        ("0 9-17/4 * * mon-fri", ["03-30 09:00", "03-30 13:00"]),
        ("5 4 1 * sun", ["03-29 04:05", "04-01 04:05"]),
        ("@monthly", ["04-01 00:00", "05-01 00:00"]),
        ("30 3/10 * Jun ?", ["06-01 03:30", "06-01 13:30"]),
        ("@every 90m", ["03-29 01:29", "03-29 02:59"]),
    ],
)
def test_next_times(text, times):
    schedule, moment, found = parse(text), START, []
    for _ in times:
        moment = schedule.next(moment)
        found.append(f"{moment:%m-%d %H:%M}")
    assert found == times


def test_an_hour_that_is_left_out_is_passed_over():
    schedule = parse("30 2 * * *", "Europe/Berlin")
    assert schedule.next(START).isoformat() == "2026-03-30T00:30:00+00:00"


def test_a_day_there_never_is():
    assert parse("0 0 31 2 *").next(START) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("* * *", "expected exactly 5 fields, found 3: [* * *]"),
        ("61 * * * *", "end of range (61) above maximum (59): 61"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("@often", "unrecognized descriptor: @often"),
    ],
)
def test_what_is_none(text, words):
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        parse(text)
