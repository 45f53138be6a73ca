"""Schedules of five fields, as CronJobs have them: the grammar and the errors of ``robfig/cron``, v3.

A time that a clock put forward leaves out is passed over; one that a clock put back brings twice counts once.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Protocol

_FIELDS = 5
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMES = (
    {name: number for number, name in enumerate(_MONTHS, 1)},
    {name: number for number, name in enumerate(_DAYS)},
)
_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)"
_FURTHEST = 5 * 366  # days to look ahead: the 29th of February comes at least once


class Schedule(Protocol):
    """When something is to happen."""

    def next(self, after: dt.datetime) -> dt.datetime | None:
        """The first time later than *after*; None where there is none."""


@dataclass(frozen=True)
class Every:
    """``@every 1h30m``."""

    interval: dt.timedelta

    def next(self, after: dt.datetime) -> dt.datetime:
        return (after + self.interval).replace(microsecond=0)


@dataclass(frozen=True)
class Fields:
    """Minute, hour, day of the month, month and day of the week."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    """Whether one of the two fields for days leaves it to the other."""
    zone: dt.tzinfo

    def next(self, after: dt.datetime) -> dt.datetime | None:
        after = after.astimezone(dt.UTC)
        day = after.astimezone(self.zone).date()
        for _ in range(_FURTHEST):
            if self._is_day(day):
                found = next((each for each in self._times(day) if each > after), None)
                if found is not None:
                    return found
            day += dt.timedelta(days=1)
        return None

    def _is_day(self, day: dt.date) -> bool:
        if day.month not in self.months:
            return False
        fits = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return all(fits) if self.any_day else any(fits)

    def _times(self, day: dt.date) -> list[dt.datetime]:
        wanted = (
            dt.datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone)
            for hour in sorted(self.hours)
            for minute in sorted(self.minutes)
        )
        found = [(each, each.astimezone(dt.UTC)) for each in wanted]
        there = [moment for each, moment in found if _wall(moment.astimezone(self.zone)) == _wall(each)]
        return sorted(there)


def _wall(moment: dt.datetime) -> tuple[int, int]:
    return moment.hour, moment.minute


def zone_named(name: str) -> dt.tzinfo:
    """The time zone *name*, UTC where that is empty; KeyError, ValueError or OSError where none is."""
    if not name:
        return dt.UTC
    from zoneinfo import ZoneInfo  # few ask for a zone, and everybody would wait for it at the start

    return ZoneInfo(name)


def parse(text: str, zone: str = "") -> Schedule:
    """*text* as a schedule of *zone* (of UTC, where empty); ValueError with robfig's words."""
    prefixed = re.match(r"(?:CRON_)?TZ=(\S*)\s+", text)
    if prefixed:
        zone, text = prefixed[1], text[prefixed.end() :]
    zone_of = zone_named(zone)
    if text.startswith("@every "):
        return Every(_duration(text.removeprefix("@every ")))
    if text.startswith("@"):
        if text not in _NAMED:
            raise ValueError(f"unrecognized descriptor: {text}")
        text = _NAMED[text]
    words = text.split()
    if len(words) != _FIELDS:
        raise ValueError(f"expected exactly {_FIELDS} fields, found {len(words)}: [{' '.join(words)}]")
    minutes, _ = _field(words[0], 0, 59)
    hours, _ = _field(words[1], 0, 23)
    days, any_date = _field(words[2], 1, 31)
    months, _ = _field(words[3], 1, 12, _NAMES[0])
    weekdays, any_weekday = _field(words[4], 0, 6, _NAMES[1])
    return Fields(minutes, hours, days, months, weekdays, any_date or any_weekday, zone_of)


def _duration(text: str) -> dt.timedelta:
    parts = re.findall(_PART, text)
    if not parts or not re.fullmatch(f"[-+]?({_PART})+", text):
        raise ValueError(f'failed to parse duration @every {text}: time: invalid duration "{text}"')
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return dt.timedelta(seconds=max(int(-seconds if text.startswith("-") else seconds), 1))


def _field(
    text: str, least: int, most: int, names: dict[str, int] | None = None
) -> tuple[frozenset[int], bool]:
    """The numbers one field stands for, and whether it is a star."""
    parts = [_range(each, least, most, names or {}) for each in text.split(",") if each]
    return frozenset().union(*(found for found, _ in parts)), any(star for _, star in parts)


def _range(text: str, least: int, most: int, names: dict[str, int]) -> tuple[range, bool]:
    bounds, *steps = text.split("/")
    low, *high = bounds.split("-")
    star = low in ("*", "?")
    start, end = (least, most) if star else _bounds(text, low, high, names)
    if len(steps) > 1:
        raise ValueError(f"too many slashes: {text}")
    step = _number(steps[0], text) if steps else 1
    if steps and not high:
        end = most
    _check_range(text, (start, end), (least, most), step)
    return range(start, end + 1, step), star and step == 1


def _bounds(text: str, low: str, high: list[str], names: dict[str, int]) -> tuple[int, int]:
    start = _number(low, text, names)
    if len(high) > 1:
        raise ValueError(f"too many hyphens: {text}")
    return start, _number(high[0], text, names) if high else start


def _check_range(text: str, found: tuple[int, int], bounds: tuple[int, int], step: int) -> None:
    start, end = found
    if start < bounds[0]:
        raise ValueError(f"beginning of range ({start}) below minimum ({bounds[0]}): {text}")
    if end > bounds[1]:
        raise ValueError(f"end of range ({end}) above maximum ({bounds[1]}): {text}")
    if start > end:
        raise ValueError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {text}")


def _number(text: str, whole: str, names: dict[str, int] | None = None) -> int:
    if names and text.lower() in names:
        return names[text.lower()]
    if not re.fullmatch("[-+]?[0-9]{1,18}", text, re.ASCII):
        why = f'strconv.Atoi: parsing "{text}": invalid syntax'
        raise ValueError(f"failed to parse int from {text}: {why}")
    return int(text)
