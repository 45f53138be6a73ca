"""An arrow of the mesh's picture: the calls it stands for, in numbers and words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from labkit.language import gettext, ngettext
from labkit.traffic.calls import CLIENT
from labkit.views.drawing import Point, Words
from labkit.views.graph_lock import MUTUAL_TLS
from labkit.views.theme import ERROR


@dataclass(frozen=True)
class Edge:
    """A row of the frame of calls."""

    source: str
    destination: str
    requests: int
    share: float
    errors: int
    p50_ms: float
    mutual_tls: float
    about: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """Whether nothing but errors came back."""
        return self.errors == self.requests

    @property
    def locked(self) -> bool:
        """Whether every request of which both proxies wrote went over mutual TLS."""
        return self.mutual_tls == 1


def in_words(edge: Edge) -> str:
    """What is told beside its ends' names, in a line."""
    share = f" ({_per_cent(edge.share)})" if edge.share < 1 else ""
    also = (_errors(edge) if edge.errors else "", _mutual_tls(edge))
    return ", ".join([f"{_requests(edge)}{share}", *filter(None, also)])


def details(edge: Edge) -> list[str]:
    """What is told to who points at it, in lines."""
    sent = gettext(
        "{requests}, {per_cent} of what was sent from there",
        requests=_requests(edge),
        per_cent=_per_cent(edge.share),
    )
    half = gettext("half of them within {p50_ms:.0f} ms", p50_ms=edge.p50_ms)
    about = gettext("for {about}", about=", ".join(edge.about)) if edge.about else ""
    return [sent, _errors(edge), half, *filter(None, (_mutual_tls(edge), about))]


def _requests(edge: Edge) -> str:
    return ngettext("{number} request", "{number} requests", edge.requests)


def _errors(edge: Edge) -> str:
    return ngettext("{number} with errors", "{number} with errors", edge.errors)


def _mutual_tls(edge: Edge) -> str:
    """Nothing where none of its requests is known to; without a number where all did."""
    if not edge.mutual_tls > 0:
        return ""
    return gettext(MUTUAL_TLS) + ("" if edge.locked else f" ({_per_cent(edge.mutual_tls)})")


def _per_cent(share: float) -> str:
    """``50 %``; what is neither nothing nor all is never shown as such."""
    shown = round(100 * share)
    return "<1 %" if not shown else ">99 %" if shown == 100 and share < 1 else f"{shown} %"


def longest(points: tuple[Point, ...]) -> tuple[Point, Point]:
    """The part of a way that has room for words."""
    pairs = list(pairwise(points))
    return max(pairs, key=lambda pair: abs(pair[1][0] - pair[0][0]) + abs(pair[1][1] - pair[0][1]))


def label(points: tuple[Point, ...], edge: Edge) -> Iterator[Words]:
    """Beside an arrow up or down, above one to the side, in the middle of a slanting one;
    further away where a lock stands on it."""
    requests, errors = f"{edge.requests}", f"✗ {edge.errors}" if edge.errors else ""
    share = "" if edge.source == CLIENT else _per_cent(edge.share)
    (x1, y1), (x2, y2) = longest(points)
    x, y, lift = (x1 + x2) / 2, (y1 + y2) / 2, 6 * edge.locked
    if len(points) > 2:
        yield _detour_label((x1, y1), (x2, y2), "  ".join(filter(None, (requests, share, errors))))
    elif abs(x2 - x1) < 1:
        beside = 8 + lift
        yield Words(x + beside, y - 7 * bool(share), requests, 12, bold=True, align="left")
        yield Words(x + beside, y + 6, share, 11, align="left")
        yield Words(x - beside, y, errors, 12, ERROR, bold=True, align="right")
    else:
        flat = abs(y2 - y1) < 1
        tops = (-24, -11, 12) if flat and share else (-11, -11, 12) if flat else (-7, 6, 20)
        lift *= flat
        yield Words(x, y + tops[0] - lift, requests, 12, bold=True, ground=True)
        yield Words(x, y + tops[1] - lift, share, 11, ground=bool(share))
        yield Words(x, y + tops[2] + lift, errors, 12, ERROR, bold=True, ground=bool(errors))


def _detour_label(a: Point, b: Point, told: str) -> Words:
    """Above a lane; and left of a way down the side, between the first two rows."""
    if a[0] == b[0]:
        return Words(
            a[0] + 6, a[1] + (58 if b[1] > a[1] else -58), told, 12, bold=True, align="right", ground=True
        )
    return Words((a[0] + b[0]) / 2, a[1] - 10, told, 12, bold=True, ground=True)
