"""The lines of a log that are no access-log lines, or have a value that does not fit its column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any


class Unparsed:
    """Those lines, as they were: ``len()`` counts them, iterating shows them."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._lines = tuple(lines)

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unparsed) and self._lines == other._lines

    def __hash__(self) -> int:
        return hash(self._lines)

    def __deepcopy__(self, _: Any) -> Unparsed:
        return self  # pandas copies attrs with every operation; these never change

    def __repr__(self) -> str:
        return f"<{len(self)} lines that are no access-log lines, or not wholly>"
