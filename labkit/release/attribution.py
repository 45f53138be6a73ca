"""Whose an answer is: told by the answer itself, or by what the sidecars wrote of its request.

An answer of this course's services says who it is from. Two subsets of one service say the same, other
services say nothing; there the caller's sidecar knows where it sent the request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from labkit.kube.mesh.destinations import Destination
from labkit.release.health import number_of
from labkit.traffic.failures import failed_answers, failed_lines
from labkit.traffic.journal import Journal
from labkit.traffic.requests import marks

_TELLS_OF_ERROR = re.compile(r"\b(40[0-9] [A-Z]|50[0-9] [A-Z]|I/O error)")


@dataclass(frozen=True, slots=True)
class Told:
    """One answer."""

    at: float
    """When its request was sent, seconds since the epoch."""
    ms: float
    name: str | None
    """Who answered; None where that is not known."""
    failed: bool
    tells_of_error: bool
    """It did not fail, but its text is about an error further on."""


Tell = Callable[[pd.DataFrame], list[Told]]
"""Answers as :func:`labkit.traffic.answers.send` makes them → each in turn."""


@dataclass(frozen=True)
class ByAnswer:
    """By the greeting. Where none of the destinations greets and the text is about an error, the caller
    politely answers for a request that has failed."""

    names: Mapping[str, str]
    """Who greets → the destination's name."""

    def __call__(self, answers: pd.DataFrame) -> list[Told]:
        found = [self.names.get(str(who)) for who in answers["service"]]
        excuses = [
            who is None and bool(_TELLS_OF_ERROR.search(str(body)))
            for who, body in zip(found, answers["body"], strict=True)
        ]
        failed = failed_answers(answers) | pd.Series(excuses, index=answers.index, dtype="bool")
        return _told(answers, found, failed)


@dataclass(frozen=True)
class ByLog:
    """By the access logs; they come a little later than the answers, and are waited for."""

    journal: Journal
    destinations: Mapping[str, Destination]
    timeout: float = 2.0
    """Seconds the lines are waited for."""

    def __call__(self, answers: pd.DataFrame) -> list[Told]:
        lines = self.journal.lines_of(*marks(answers), timeout=self.timeout)
        calls = self._calls(lines.frame[lines.frame["app"] != self.journal.gateway_app])
        broken = set(lines.frame.loc[failed_lines(lines.frame), "request"])
        ids = [lines.request_ids.get(tag, "") for tag in answers["tag"]]
        # What came to no destination has failed where anybody wrote so.
        failed = [calls[one][1] if one in calls else one in broken for one in ids]
        both = failed_answers(answers) | pd.Series(failed, index=answers.index, dtype="bool")
        return _told(answers, [calls[one][0] if one in calls else None for one in ids], both)

    def _calls(self, lines: pd.DataFrame) -> dict[str, tuple[str, bool]]:
        """Request id → the destination its first caller sent it to, and whether that failed."""
        clusters, wanted = lines["upstream_cluster"].astype("object"), list(self.destinations.values())
        numbers = {one: number_of(str(one), wanted) for one in clusters.dropna().unique()}
        which = clusters.map(numbers)
        # What an answering service called in its turn began later.
        calls = lines[which.notna()].drop_duplicates("request")
        names = list(self.destinations)
        return {
            str(one): (names[int(number)], bool(failed))
            for one, number, failed in zip(
                calls["request"], which[calls.index], failed_lines(calls), strict=True
            )
        }


def error_in(answer: pd.Series[Any]) -> str:
    """What a failed answer, or one that tells of an error, says of it, in a line."""
    if pd.isna(answer["status"]):
        return str(answer["error"])
    body = str(answer["body"])
    found = _TELLS_OF_ERROR.search(body)
    words = body[found.start() :] if found else f"{answer['status']} {body}"
    return " ".join(words.split())[:200]


def by_nobody(answers: pd.DataFrame) -> list[Told]:
    """Where nobody can tell them apart."""
    return _told(answers, [None] * len(answers), failed_answers(answers))


def _told(answers: pd.DataFrame, names: list[str | None], failed: pd.Series[bool]) -> list[Told]:
    columns = (answers["time"].astype("int64") / 1e6, answers["total_ms"], answers["body"])
    return [
        Told(float(at), float(ms), name, bool(lost), not lost and bool(_TELLS_OF_ERROR.search(str(body))))
        for at, ms, body, name, lost in zip(*columns, names, failed, strict=True)
    ]
