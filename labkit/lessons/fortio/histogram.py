"""fortio's histogram of durations: its buckets, its percentiles, its lines."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, field

_BOUNDS = (
    *(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 18, 20, 25, 30, 35, 40, 45, 50, 60, 70, 80, 90, 100),
    *(120, 140, 160, 180, 200, 250, 300, 350, 400, 450, 500, 600, 700, 800, 900, 1000),
    *(2000, 3000, 4000, 5000, 7500, 10000, 20000, 30000, 40000, 50000, 75000, 100000),
)
"""Upper ends, in units of the resolution."""


def number(value: float) -> str:
    """As Go's ``%.6g``-like printing of a float: no more digits than it takes."""
    return f"{value:.9g}"


@dataclass
class Counter:
    """How many, how much, and how far apart."""

    values: list[float] = field(default_factory=list)

    def line(self, title: str, places: str = "9g") -> str:
        """``TITLE : count 20 avg 729.9 +/- 205.4 min 241 max 817 sum 14598``."""
        count, total = len(self.values), sum(self.values)
        mean = total / count if count else 0.0
        spread = math.sqrt(sum((each - mean) ** 2 for each in self.values) / count) if count else 0.0
        low, high = (min(self.values), max(self.values)) if count else (0.0, 0.0)
        return (
            f"{title} : count {count} avg {mean:.8g} +/- {spread:.4g} "
            f"min {number(low)} max {number(high)} sum {number(total)}"
        )


@dataclass
class Histogram(Counter):
    """Durations, in seconds."""

    resolution: float = 0.001

    def lines(self, title: str, percentiles: tuple[float, ...]) -> list[str]:
        """All that fortio prints of one."""
        if not self.values:
            return [f"{self.line(title)} : no data"]
        rows = [self.line(title), "# range, mid point, percentile, count"]
        below, low = 0, min(self.values)
        for end, count in self._buckets():
            below += count
            last = below == len(self.values)
            high = max(self.values) if last else end
            sign = ">=" if below == count else ">"
            share = 100 * below / len(self.values)
            rows.append(
                f"{sign} {number(low)} <= {number(high)} , {number((low + high) / 2)} , {share:.2f}, {count}"
            )
            low = high
        return rows + [f"# target {each:g}% {number(self.percentile(each))}" for each in percentiles]

    def percentile(self, share: float) -> float:
        """The duration that *share* percent kept, between a bucket's ends as if they lay even in it."""
        wanted, below, low = len(self.values) * share / 100, 0, min(self.values)
        for end, count in self._buckets():
            last = below + count == len(self.values)
            high = max(self.values) if last else end
            if below + count >= wanted:
                return low + (high - low) * (wanted - below) / count
            below, low = below + count, high
        return max(self.values)

    def _buckets(self) -> list[tuple[float, int]]:
        """The end and the number of each bucket that holds any."""
        counts: dict[int, int] = {}
        for value in self.values:
            place = bisect_left(_BOUNDS, value / self.resolution)
            counts[place] = counts.get(place, 0) + 1
        ends = [*(bound * self.resolution for bound in _BOUNDS), math.inf]
        return [(ends[place], counts[place]) for place in sorted(counts)]
