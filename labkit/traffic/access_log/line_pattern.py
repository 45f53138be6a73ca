"""A line of literals and fields, taken apart in one pass.

Between two fields that may hold anything stands a stretch of literals and of fields that hold neither blanks
nor quotes. Each stretch is looked for once, from where the one before ended, and what lies between two of
them is the free field. Nothing is tried again: a client that writes quotes into its name to have its line
read in many ways costs no more time than another, and, as what follows its name is looked for from behind,
it can't pass off what it wrote as the proxy's words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """One operator of a format."""

    column: str
    form: str = ""
    """How ``START_TIME`` is written, where a format says so."""
    is_free: bool = False
    """Whether a client, a service or a rule's author may have put blanks or quotes into it."""


Token = str | Field


class LinePattern:
    """A line that consists of *tokens*; with *quoted_are_free* any quoted field may hold quotes."""

    def __init__(self, tokens: Sequence[Token], *, quoted_are_free: bool = False) -> None:
        self._stretches = [re.compile(each, re.DOTALL) for each in _stretches(tokens, quoted_are_free)]
        self._from_behind = _last_quoted(tokens, quoted_are_free)

    def match(self, line: str) -> tuple[str, ...] | None:
        """The values of the fields of *line*, in order; None where it is no such line."""
        found = self._stretches[0].match(line)
        values = list(found.groups()) if found else []
        for number, stretch in enumerate(self._stretches[1:], start=1):
            if found is None:
                return None
            end = found.end()
            behind = number == self._from_behind
            found = _last(stretch, line, end) if behind else stretch.search(line, end)
            values += [line[end : found.start()], *found.groups()] if found else []
        return tuple(values) if found and found.end() == len(line) else None


def _last(stretch: re.Pattern[str], line: str, begin: int) -> re.Match[str] | None:
    """The last match: what comes after a client's header was written by the proxy."""
    starts = [each.start() for each in re.finditer(f"(?={stretch.pattern})", line[begin:], re.DOTALL)]
    return stretch.match(line, begin + starts[-1]) if starts else None


def _stretches(tokens: Sequence[Token], quoted_are_free: bool) -> Iterator[str]:
    """Regular expressions of what stands before, between and behind free fields."""
    stretch = ""
    for i, token in enumerate(tokens):
        after = tokens[i + 1] if i + 1 < len(tokens) else ""
        if isinstance(token, str):
            stretch += re.escape(token)
        elif _is_free(token, after, quoted_are_free):
            yield stretch
            stretch = ""
        else:
            stretch += f"({_value(str(after))})"
    yield stretch + r"\Z"


def _last_quoted(tokens: Sequence[Token], quoted_are_free: bool) -> int:
    """Which stretch follows the last free field in quotes, the User-Agent in Istio's formats; 0 for none."""
    number, last = 0, 0
    for i, token in enumerate(tokens):
        after = tokens[i + 1] if i + 1 < len(tokens) else ""
        if isinstance(token, Field) and _is_free(token, after, quoted_are_free):
            number += 1
            last = number if isinstance(after, str) and after.startswith('"') else last
    return last


def _is_free(field: Field, after: Token, quoted_are_free: bool) -> bool:
    quoted = isinstance(after, str) and after.startswith('"')
    return field.is_free or isinstance(after, Field) or (quoted and quoted_are_free)


def _value(after: str) -> str:
    if after.startswith('"'):
        return '[^"]*'
    return rf'[^\s"{re.escape(after[:1].strip())}]+'
