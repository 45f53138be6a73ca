"""The lines of one request, in the order in which it travelled.

Clocks do not help: a hop takes less than the millisecond in which access logs count. But lines point
to each other. A line that went on names the address it went to, and the next proxy's line names the
same one as its own; and what a pod called, it called after it had been called itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

_Line = dict[str, Any]


def in_order_of_travel(lines: pd.DataFrame) -> pd.DataFrame:
    """*lines*, all of one request, from where it entered the mesh to where it ended.

    Lines that none of the others leads to (a log that was cut off) come last, by time.
    """
    wanted = ["pod", "upstream_cluster", "upstream_host", "downstream_local_address"]
    plain = lines[wanted].astype("object").where(lines[wanted].notna(), None)
    left: dict[int, _Line] = {
        position: {"position": position, **dict(zip(wanted, row, strict=True))}
        for position, row in enumerate(plain.itertuples(index=False))
    }
    order: list[int] = []
    while left:
        order += _follow(next(_entries(left)), left)
    return lines.iloc[order].reset_index(drop=True)


def _entries(left: dict[int, _Line]) -> Iterator[_Line]:
    """Lines that no other one leads to, the earliest first; any, where they lead in a circle."""
    targets = {row["upstream_host"] for row in left.values() if not _is_inbound(row)}
    called = {row["pod"] for row in left.values() if _is_inbound(row)}
    for row in left.values():
        if row["downstream_local_address"] not in targets and (_is_inbound(row) or row["pod"] not in called):
            yield row
    yield from left.values()


def _follow(row: _Line, left: dict[int, _Line]) -> list[int]:
    del left[row["position"]]
    order = [row["position"]]
    while following := next(_next(row, left), None):
        order += _follow(following, left)
    return order


def _next(row: _Line, left: dict[int, _Line]) -> Iterator[_Line]:
    for other in left.values():
        if _is_inbound(row):
            if other["pod"] == row["pod"] and not _is_inbound(other):
                yield other
        elif row["upstream_host"] and other["downstream_local_address"] == row["upstream_host"]:
            yield other


def _is_inbound(row: _Line) -> bool:
    return str(row["upstream_cluster"]).startswith("inbound|")
