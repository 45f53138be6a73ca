"""The lock on an arrow of the mesh's picture: its requests went over mutual TLS."""

from __future__ import annotations

import math
from collections.abc import Iterator

from labkit.language import gettext, gettext_noop
from labkit.views.drawing import Box, Point, Words
from labkit.views.theme import INK, NONE

MUTUAL_TLS = gettext_noop("mutual TLS")
LEGEND_HIGH = 17
"""What its line of the legend needs, in pixels."""
_LEGEND = gettext_noop("mutual TLS: encrypted, and each side showed the other its certificate")
_SHORT = 64.0
"""Pixels. Between two cards the lock stands in the middle, beside the words; on a longer line before them."""


def lock_of(a: Point, b: Point) -> Point:
    """Where the lock is on the line from *a* to *b*."""
    along = 0.25 if math.dist(a, b) > _SHORT else 0.58 if a[0] == b[0] else 0.42
    return a[0] + (b[0] - a[0]) * along, a[1] + (b[1] - a[1]) * along


def lock(x: float, y: float) -> Iterator[Box]:
    """A lock around the point *x*, *y*: on a ground of its own, as its line would cross it out."""
    yield Box(x - 8, y - 8, 16, 16, fill=INK, line=INK, thick=0.5, radius=8)
    yield Box(x - 2.5, y - 5, 5, 7, fill=NONE, line="white", thick=1.4, radius=2.5)
    yield Box(x - 4, y - 1, 8, 5.5, fill="white", line="white", thick=0.5, radius=1)


def legend(x: float, y: float) -> Iterator[Box | Words]:
    """What a lock says, in words beside one."""
    yield from lock(x + 8, y)
    yield Words(x + 22, y, gettext(_LEGEND), 12, INK, align="left")
