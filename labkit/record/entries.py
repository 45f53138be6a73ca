"""One act of a learner's, as it is kept: JSON with a kind, a time, and mostly a step.

What is read back may have been written by anybody who may write there, and by other versions of labkit:
what has not the shape of its kind is no entry.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.language import spoken
from labkit.release.course import Shift, Step
from labkit.release.health import Health
from labkit.scenario.checks import Report
from labkit.scenario.quizzes import Quiz

LONGEST = 600
"""Characters of what was seen, and of any other words."""
_ID = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}|condensed")
_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"

_PROMISE = {"promise": str, "holds": bool, "seen": str, "hint": str}
_HEALTH = {"destination": str, "requests": int, "errors": int, "p50_ms": float, "p95_ms": float}
_STEP = {"weight": int, "at": float, "acknowledged_ms": float, "health": [_HEALTH], "reason": str}
_JUDGED = {"step": int, "title": str, "holds": bool, "promises": [_PROMISE]}
_SHAPES: dict[str, dict[str, Any]] = {
    "check": _JUDGED,
    "task": _JUDGED,
    "quiz": {"step": int, "question": str, "answer": int, "words": str, "right": bool},
    "statement": {"statement": str, "holds": bool},
    "release": {
        "to": str,
        "outcome": str,
        "verdict": str,
        "limits": {"error_rate": float, "p95_ms": float},
        "before": {},
        "steps": [_STEP],
        "seconds": float,
    },
    "goto": {"step": int, "finished": bool, "moves": str, "set_aside": str},
    "bring_back": {"brought": [str]},
    "condensed": {"since": str, "until": str, "counts": {}},
}
"""What every entry of a kind has; it may have more."""


@dataclass(frozen=True)
class Entry:
    """One act. ``content`` is what :data:`_SHAPES` says of its kind."""

    id: str
    """Sorts by time; a key of a ConfigMap."""
    kind: str
    time: str
    """UTC, as RFC 3339 writes it."""
    content: dict[str, Any]

    @property
    def step(self) -> int | None:
        """The step it is about; None where it is about none."""
        return self.content.get("step")

    @property
    def moment(self) -> dt.datetime:
        """When it was."""
        return dt.datetime.strptime(self.time, _FORMAT).replace(tzinfo=dt.UTC)

    @property
    def good(self) -> bool:
        """Whether all that it judged held, or the answer was right."""
        return bool(self.content.get("right" if self.kind == "quiz" else "holds"))

    def text(self) -> str:
        """As it is kept."""
        return json.dumps({"kind": self.kind, "time": self.time, **self.content}, ensure_ascii=False)


def new(kind: str, content: Mapping[str, Any], *, now: dt.datetime | None = None) -> Entry:
    """An entry of this moment."""
    now = now or dt.datetime.now(dt.UTC)
    name = f"{now:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}"
    return Entry(name, kind, now.strftime(_FORMAT), {**content, "language": spoken()})


def read(name: str, text: str) -> Entry | None:
    """The entry that is kept under *name*; None where that is none."""
    try:
        found = json.loads(text, parse_constant=_no_number)
        json.dumps(found, ensure_ascii=False).encode()  # no lone surrogates
        kind, time = found.pop("kind"), found.pop("time")
        dt.datetime.strptime(time, _FORMAT)
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return None
    known = isinstance(kind, str) and kind in _SHAPES and _ID.fullmatch(name)
    return Entry(name, kind, time, found) if known and _fits(found, _SHAPES[kind]) else None


def _no_number(constant: str) -> None:
    raise ValueError(constant)


def read_all(kept: Mapping[str, str]) -> list[Entry]:
    """The entries among what is *kept*, as they came."""
    found = (read(name, text) for name, text in kept.items())
    return in_order(entry for entry in found if entry)


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """*entries* as they came, each once."""
    once = {entry.id: entry for entry in entries}
    return sorted(once.values(), key=lambda entry: (entry.time, entry.id))


def _fits(value: Any, shape: Any) -> bool:
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(
            key in value and _fits(value[key], each) for key, each in shape.items()
        )
    if isinstance(shape, list):
        return isinstance(value, list) and all(_fits(one, shape[0]) for one in value)
    if shape is float:
        return type(value) in (int, float)
    return type(value) is shape


# ------------------------------------------------------------------------------------------ what is noted


def of_report(report: Report) -> Entry:
    """A step's check, or a task's: each promise with what was seen of it."""
    promises = [
        {
            "promise": one.promise,
            "holds": bool(one.holds),
            "seen": _short(one.seen),
            "hint": _short(one.hint) if not one.holds else "",
        }
        for one in report.findings
    ]
    judged = {"step": report.step, "title": report.title, "holds": bool(report), "promises": promises}
    return new("task" if report.task else "check", judged)


def of_answer(quiz: Quiz, choice: int) -> Entry:
    """An answer to a step's question."""
    said = {"answer": choice, "words": _short(quiz.choices[choice - 1]), "right": choice == quiz.answer}
    return new("quiz", {"step": quiz.step, "question": _short(quiz.question), **said})


def of_statement(statement: str, holds: object) -> Entry:
    """What a notebook states, and whether it held."""
    return new("statement", {"statement": _short(str(statement)), "holds": bool(holds)})


def of_release(shift: Shift, picture: Mapping[str, Any]) -> Entry:
    """A release, with its *picture* as plain JSON of plotly's."""
    outcome = "done" if shift.succeeded else "rolled back"
    return new("release", {**_course(shift, outcome, shift.verdict), "picture": picture})


def of_broken_off(to: str, why: str) -> Entry:
    """A release that somebody or something broke off."""
    nothing = {"limits": {"error_rate": 0.0, "p95_ms": 0.0}, "before": {}, "steps": [], "seconds": 0.0}
    return new("release", {"to": to, "outcome": "broken off", "verdict": _short(why), **nothing})


def of_way(step: int, *, finished: bool, moves: str, set_aside: str) -> Entry:
    """A way gone by goto."""
    way = {"finished": finished, "moves": _short(moves), "set_aside": _short(set_aside)}
    return new("goto", {"step": step, **way})


def of_brought_back(titles: Iterable[str]) -> Entry:
    """What came back of what was set aside."""
    return new("bring_back", {"brought": [_short(title) for title in titles]})


def _course(shift: Shift, outcome: str, verdict: str) -> dict[str, Any]:
    return {
        "to": shift.to,
        "outcome": outcome,
        "verdict": _short(verdict),
        "limits": {"error_rate": shift.limits.error_rate, "p95_ms": shift.limits.p95_ms},
        "before": {name: int(weight) for name, weight in shift.before.items()},
        "steps": [_step(one) for one in shift.steps],
        "seconds": _seconds(shift),
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "weight": step.weight,
        "at": round(step.at, 3),
        "acknowledged_ms": round(step.acknowledged_ms, 1),
        "mirrored": step.mirrored,
        "health": [_health(one) for one in step.all_health],
        "reason": _short(step.reason or ""),
    }


def _health(one: Health) -> dict[str, Any]:
    counts = {"requests": int(one.requests), "errors": int(one.errors)}
    return {
        "destination": one.destination,
        **counts,
        "p50_ms": float(one.p50_ms),
        "p95_ms": float(one.p95_ms),
    }


def _seconds(shift: Shift) -> float:
    times = shift.answers["time"] if len(shift.answers) else None
    return 0.0 if times is None else round(float((times.max() - times.min()).total_seconds()), 1)


def _short(words: str) -> str:
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"
