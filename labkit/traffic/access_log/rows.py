"""Rows made one by one, where a log can't be read at once: texts into the types of their columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from labkit.traffic.access_log.columns import CATEGORY, INTEGER, MOMENT, TEXT, kind_of, schema, without_mark
from labkit.traffic.access_log.line_pattern import Field
from labkit.traffic.access_log.moments import moment

_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)


@dataclass
class Part:
    """Some lines of a log: those that were understood, as a table, and those to be told of."""

    table: pa.Table
    at: Sequence[int]
    """The line number of each row of :attr:`table`."""
    odd: dict[int, str] = field(default_factory=dict)
    """Line number → a line that is no access-log line, or has a value that does not fit."""


class Rows:
    """Collects rows, and the lines of which not everything fitted."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._at: list[int] = []
        self._odd: dict[int, str] = {}

    def add(
        self, number: int, line: str, values: Iterable[tuple[Field, Any]], *, is_guess: bool = False
    ) -> None:
        """The row of *line*, whose values are as they were written; with a guess, the line is told of too."""
        row, lost = {}, is_guess
        for where, written in values:
            if written is None or written == "-":
                continue
            row[where.column] = value = _typed(where, written)
            lost |= value is None
        self._rows.append(row)
        self._at.append(number)
        if lost:
            self._odd[number] = line

    def refuse(self, number: int, line: str) -> None:
        """A line that is no access-log line."""
        self._odd[number] = line

    def part(self) -> Part:
        more = dict.fromkeys(column for row in self._rows for column in row)
        return Part(table_of(self._rows, schema(*more)), self._at, self._odd)


def table_of(rows: Sequence[Mapping[str, Any]], wanted: pa.Schema) -> pa.Table:
    """*rows* as a table; what a row does not have is missing."""
    columns = [_array([row.get(each.name) for row in rows], each.type) for each in wanted]
    return pa.table(columns, schema=wanted)


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if kind == CATEGORY:
        return pa.array(values, TEXT).dictionary_encode()
    return pa.array(values, INTEGER).cast(MOMENT) if kind == MOMENT else pa.array(values, kind)


def _typed(where: Field, written: Any) -> Any:
    """*written* as its column has it; None where it does not fit."""
    kind = kind_of(where.column)
    if kind == INTEGER:
        return _integer(written)
    text = written if isinstance(written, str) else json.dumps(written, ensure_ascii=False)
    if kind == MOMENT:
        return moment(text, where.form)
    return without_mark(text) if where.column == "upstream_cluster" else text


def _integer(written: Any) -> int | None:
    if isinstance(written, float) and written.is_integer():
        written = int(written)
    return int(text) if _NUMBER.fullmatch(text := str(written)) else None
