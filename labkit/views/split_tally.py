"""What a split panel has seen: every answer counted, and what a picture of it needs, piece by piece.

Shares are of all requests. What failed, and what nobody can be told to have answered, has a column of its
own behind those of the destinations.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labkit.language import gettext, gettext_noop
from labkit.release.attribution import Told
from labkit.traffic.split import Split, interval, split_counts

FAILED, UNKNOWN = gettext_noop("failed"), gettext_noop("not known who")
_MOST_KEPT = 20_000
_MOST_DOTS = 60
"""Of one piece: more can't be seen falling."""
_MOST_CHANGES = 50


def titled(name: str) -> str:
    """What stands on the column *name*: a destination's own name, or words."""
    return gettext(name) if name in (FAILED, UNKNOWN) else name


@dataclass
class _Second:
    """What was sent within one second."""

    counts: Counter[str] = field(default_factory=Counter)
    errors: int = 0
    times: list[float] = field(default_factory=list)

    @property
    def p95(self) -> float | None:
        """Milliseconds within which 95 of 100 answers came."""
        if not self.times:
            return None
        ordered = sorted(self.times)
        return round(ordered[max(0, -(-95 * len(ordered) // 100) - 1)], 1)


class Tally:
    """Answers of the last *window* seconds, against weights that may change.
    Moments are seconds since the epoch.
    """

    def __init__(self, window: float) -> None:
        self.window = window
        self.weights: Mapping[str, int | None] = {}
        self.changes: deque[tuple[float, Mapping[str, int | None]]] = deque(maxlen=_MOST_CHANGES)
        self._told: deque[tuple[str, Told]] = deque(maxlen=_MOST_KEPT)
        self._fresh: list[tuple[str, Told]] = []
        self._seconds: dict[int, _Second] = {}
        self._dirty: set[int] = set()
        self._is_weighed = False
        self.newest = 0.0
        """When the newest answer's request was sent."""

    def weigh(self, at: float, weights: Mapping[str, int | None]) -> None:
        """From *at* on these are the weights: name → parts of 100, None where there are none."""
        self.weights = dict(weights)
        self.changes.append((at, self.weights))
        self._is_weighed = True

    def add(self, answers: Iterable[Told]) -> None:
        """Count *answers*."""
        for one in answers:
            column = FAILED if one.failed else one.name or UNKNOWN
            self._told.append((column, one))
            self._fresh.append((column, one))
            second = self._seconds.setdefault(int(one.at), _Second())
            second.counts[column] += 1
            second.errors += one.failed or one.tells_of_error
            second.times.append(one.ms)
            self._dirty.add(int(one.at))
            self.newest = max(self.newest, one.at)

    def counts(self, now: float) -> Counter[str]:
        """Column → answers to requests sent since the newest change, within the window."""
        since = max(self.changes[-1][0] if self.changes else 0.0, now - self.window)
        return Counter(column for column, one in self._told if one.at >= since)

    def errors(self, now: float) -> tuple[int, int]:
        """How many of how many failed or tell of an error, within the window."""
        seen = [second for at, second in self._seconds.items() if at >= int(now - self.window)]
        return sum(second.errors for second in seen), sum(second.counts.total() for second in seen)

    def split(self, now: float) -> Split:
        """The shares of what was answered, against the weights."""
        counts = self.counts(now)
        mine = {name: counts[name] for name in self.weights}
        weights = {name: weight or 0 for name, weight in self.weights.items()}
        known = weights if any(weights.values()) else None
        return split_counts(mine, known, left_out=counts.total() - sum(mine.values()))

    # ------------------------------------------------------------------------------------- pieces

    def piece(self, now: float, *, whole: bool) -> dict[str, Any]:
        """What is new since the last piece, as JSON has it; with *whole* all there is.

        bars: a column each: count, share and its exact 95 % interval, weight; all in per cent.
        seconds: [second, answers, errors, p95, count of each column]. changes: [moment, weights],
        where there is another one.
        dots: [column, moment, whether it tells of an error].
        """
        columns = [*self.weights, FAILED, UNKNOWN]
        counts = self.counts(now)
        self._forget(now)
        fresh = [] if whole else self._fresh[-_MOST_DOTS:]
        found: dict[str, Any] = {
            "bars": [self._bar(name, counts) for name in columns],
            "total": counts.total(),
            "seconds": [self._row(at, columns) for at in sorted(self._seconds if whole else self._dirty)],
            "dots": [
                [columns.index(name), round(one.at, 3), int(one.tells_of_error)]
                for name, one in fresh
                if name in columns
            ],
        }
        if whole or self._is_weighed:
            found["changes"] = [
                [round(at, 2), [one[name] for name in self.weights]] for at, one in self._same_columns()
            ]
        self._is_weighed = False
        self._fresh.clear()
        self._dirty.clear()
        return found

    def _bar(self, name: str, counts: Counter[str]) -> list[float | None]:
        count, total = counts[name], counts.total()
        ends = interval(count, total) if total else (0.0, 0.0)
        shares = [round(100 * share, 1) for share in (count / total if total else 0.0, *ends)]
        return [count, *shares, self.weights.get(name)]

    def _row(self, at: int, columns: Sequence[str]) -> list[float | None]:
        second = self._seconds.get(at, _Second())
        return [
            at,
            second.counts.total(),
            second.errors,
            second.p95,
            *(second.counts[name] for name in columns),
        ]

    def _same_columns(self) -> list[tuple[float, Mapping[str, int | None]]]:
        return [one for one in self.changes if one[1].keys() == self.weights.keys()]

    def _forget(self, now: float) -> None:
        """Drop what is older than the window."""
        oldest = now - self.window - 2
        while self._told and self._told[0][1].at < oldest - 10:
            self._told.popleft()
        for at in [at for at in self._seconds if at < oldest]:
            del self._seconds[at]
            self._dirty.discard(at)
