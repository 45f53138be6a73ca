"""What a record tells: where somebody stands, what is done, where one is stuck and for how long."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labkit.record.entries import Entry

_PLACED = ("check", "task", "quiz", "goto")


@dataclass(frozen=True)
class Standing:
    """Where somebody is."""

    step: int | None = None
    """That of the last thing done; None where nothing was."""
    done: tuple[int, ...] = ()
    """Steps whose promises were seen to hold, all at once."""
    stuck_at: str = ""
    """The first promise that did not hold when this step was last looked at; empty where all did."""
    since: dt.datetime | None = None
    """When that was first seen, with nothing of it mended since."""
    last: dt.datetime | None = None
    """The last thing done."""


def standing(entries: Sequence[Entry]) -> Standing:
    """Where whoever has made *entries*, in order, is."""
    if not entries:
        return Standing()
    placed = [entry for entry in entries if entry.kind in _PLACED and entry.step is not None]
    step = placed[-1].step if placed else None
    stuck, since = _stuck([entry for entry in placed if entry.step == step])
    return Standing(step, steps_done(entries), stuck, since, entries[-1].moment)


def steps_done(entries: Iterable[Entry]) -> tuple[int, ...]:
    """Steps whose check held."""
    held = {entry.step for entry in entries if entry.kind == "check" and entry.good}
    return tuple(sorted(step for step in held if step is not None))


def of_step(entries: Iterable[Entry], kind: str, step: int) -> list[Entry]:
    """The entries of a *kind* about *step*."""
    return [entry for entry in entries if entry.kind == kind and entry.step == step]


def first_good(entries: Iterable[Entry]) -> Entry | None:
    """The first that held, or was right."""
    return next((entry for entry in entries if entry.good), None)


def _stuck(entries: Sequence[Entry]) -> tuple[str, dt.datetime | None]:
    judged = [entry for entry in entries if entry.kind in ("check", "task")]
    if not judged or judged[-1].good:
        return "", None
    last, since = judged[-1], judged[-1]
    for entry in reversed([one for one in judged if one.kind == last.kind]):
        if _broken(entry) != _broken(last):
            break
        since = entry
    return _broken(last), since.moment


def _broken(entry: Entry) -> str:
    """The first promise of it that does not hold."""
    return next((str(one["promise"]) for one in entry.content["promises"] if not one["holds"]), "")
