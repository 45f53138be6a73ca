"""The text encoding, at once: Arrow's CSV reader, many times faster than regular expressions.

A format whose values are separated by blanks, in quotes where they may hold one, is CSV. Envoy does not
escape a quote within a quoted value, though, and the proxy's own messages stand in the same log; so it is
counted afterwards whether rows and quotes are as many as lines of the format have. Where they are not,
the lines that differ are taken out, and come back to the caller with their numbers.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from labkit.traffic.access_log.columns import CATEGORY, INTEGER, MOMENT, TEXT, kind_of, schema, without_mark
from labkit.traffic.access_log.formats import TextFormat
from labkit.traffic.access_log.line_pattern import Field, LinePattern, Token
from labkit.traffic.access_log.moments import missing_among, moments
from labkit.traffic.access_log.rows import Part

_BLOCK, _SLICE = 4 << 20, 1 << 20  # blocks small enough that every core gets its share
_FEW = 0.05
"""Lines of another kind, as a share, that are looked for one by one."""
_NEWLINE, _QUOTE = ord("\n"), ord('"')
_ENDS = (b"\n", b"\r", b"")
_DIGITS = re.compile(r"^-?\d{1,18}$", re.ASCII).pattern


@dataclass(frozen=True)
class _Column:
    """What stands between two blanks of a line: an operator, some of them, or none, and literals around."""

    tokens: tuple[Token, ...]

    @property
    def fields(self) -> tuple[Field, ...]:
        return tuple(token for token in self.tokens if isinstance(token, Field))

    @property
    def is_bare(self) -> bool:
        """Whether it is one operator and nothing else."""
        return len(self.tokens) == 1 and len(self.fields) == 1

    @property
    def is_wrapped(self) -> bool:
        """Whether it is one operator with literals around it."""
        return len(self.fields) == 1 and not self.is_bare

    @property
    def around(self) -> tuple[str, str]:
        """The literals before and behind the one operator."""
        first, last = self.tokens[0], self.tokens[-1]
        return (first if isinstance(first, str) else "", last if isinstance(last, str) else "")

    @property
    def kind(self) -> pa.DataType:
        """As it is read; a composed one has few different values, and a moment is a text at first."""
        if len(self.fields) != 1:
            return CATEGORY
        kind = kind_of(self.fields[0].column)
        return kind if self.is_bare and kind != MOMENT else TEXT


def read_at_once(content: bytes, form: TextFormat) -> tuple[Part, dict[int, str]] | None:
    """The lines of *form* in *content*, and the others by number; None where *form* is no CSV."""
    columns = _columns(form)
    if columns is None:
        return None
    return _whole(content, form, columns) or _sifted(content, form, columns)


def _columns(form: TextFormat) -> list[_Column] | None:
    """The columns of *form* as CSV has them; None where a quote stands within one."""
    columns = [_Column(tuple(tokens)) for tokens in _between_blanks(form.tokens)]
    literals = [token for column in columns for token in column.tokens if isinstance(token, str)]
    whole = all(column.tokens for column in columns)
    return columns if whole and not any('"' in each for each in literals) else None


def _between_blanks(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """The tokens split at blanks outside of quotes; quotes around a whole column are taken off."""
    column: list[Token] = []
    is_quoted = False
    for token in tokens:
        for piece in [token] if isinstance(token, Field) else re.findall(r'"| |[^" ]+', token):
            if piece == '"' and (is_quoted or not column):
                is_quoted = not is_quoted
            elif piece == " " and not is_quoted:
                yield column
                column = []
            else:
                column.append(piece)
    yield column


def _whole(content: bytes, form: TextFormat, columns: list[_Column]) -> tuple[Part, dict[int, str]] | None:
    """All of *content* read at once; None where a line in it needs a closer look."""
    skipped: list[str] = []
    try:
        with ThreadPoolExecutor(1) as meanwhile:
            counts = meanwhile.submit(_count, content)
            read = _read_csv(content, columns, skipped)
    except pa.ArrowInvalid:  # a word where a number should be
        return None
    others = _numbered(content, skipped) if len(skipped) <= len(read) * _FEW else None
    quotes = sum(line.count('"') for line in skipped)
    if others is None or counts.result() != (len(read) + len(skipped), len(read) * form.quotes + quotes):
        return None
    table, unfit = _typed(read, columns)
    if unfit.any():
        return None
    at = [n for n in range(len(read) + len(others)) if n not in others] if others else range(len(read))
    return Part(table, at), others


def _numbered(content: bytes, lines: list[str]) -> dict[int, str] | None:
    """*lines* of *content* by their numbers; None where one is not found as it is."""
    if not lines:
        return {}
    ends = np.flatnonzero(np.frombuffer(content, np.uint8) == _NEWLINE)
    found: dict[int, str] = {}
    place = 0
    for line in lines:
        text = line.encode()
        place = _place(content, text, place)
        if place < 0:
            return None
        found[int(np.searchsorted(ends, place))] = line
        place += len(text)
    return found if len(found) == len(lines) else None


def _place(content: bytes, line: bytes, begin: int) -> int:
    """Where *line* stands as a whole line, looked for from *begin* and then from the start; -1 if nowhere."""
    for start in (begin, 0):
        while (place := content.find(line, start)) >= 0:
            end = place + len(line)
            if content[max(place - 1, 0) : place] in (b"", b"\n") and content[end : end + 1] in _ENDS:
                return place
            start = place + 1
    return -1


def _sifted(content: bytes, form: TextFormat, columns: list[_Column]) -> tuple[Part, dict[int, str]]:
    """What has another number of quotes is no line of *form*; of the rest, every value is looked at."""
    lines = [line.removesuffix(b"\r") for line in content.split(b"\n")]
    kept = [i for i, line in enumerate(lines) if line.count(b'"') == form.quotes and line.strip()]
    table, at = _careful([lines[i] for i in kept], kept, columns)
    good = set(at)
    odd = {i: line.decode(errors="replace") for i, line in enumerate(lines) if i not in good and line.strip()}
    return Part(table, at), odd


def _careful(lines: list[bytes], numbers: list[int], columns: list[_Column]) -> tuple[pa.Table, list[int]]:
    """The rows of *lines* in which all values fit, and their numbers; none where they can't be told apart."""
    skipped: list[str] = []
    try:
        read = _read_csv(b"\n".join(lines), columns, skipped, as_text=True)
    except pa.ArrowInvalid:  # nothing there
        return schema().empty_table(), []
    others = set(skipped)
    at = [n for n, line in zip(numbers, lines, strict=True) if line.decode(errors="replace") not in others]
    if len(at) != len(read):  # a quote at a wrong place took a line end along
        return schema().empty_table(), []
    table, unfit = _typed(read, columns)
    fits = np.flatnonzero(~unfit)
    return table.take(pa.array(fits)), [at[i] for i in fits]


def _read_csv(
    content: bytes, columns: list[_Column], skipped: list[str], *, as_text: bool = False
) -> pa.Table:
    def skip(row: csv.InvalidRow) -> str:
        skipped.append(row.text)
        return "skip"

    kinds = {
        str(i): TEXT if as_text and each.kind == INTEGER else each.kind for i, each in enumerate(columns)
    }
    return csv.read_csv(
        pa.BufferReader(content),
        read_options=csv.ReadOptions(column_names=list(kinds), block_size=_BLOCK),
        parse_options=csv.ParseOptions(delimiter=" ", double_quote=False, invalid_row_handler=skip),
        convert_options=csv.ConvertOptions(
            column_types=kinds, null_values=["-"], strings_can_be_null=True, quoted_strings_can_be_null=True
        ),
    )


def _count(content: bytes) -> tuple[int, int]:
    """How many lines and quotes *content* has."""
    data = np.frombuffer(content, np.uint8)

    def count(at: int) -> tuple[int, int]:
        part = data[at : at + _SLICE]
        return int(np.count_nonzero(part == _NEWLINE)), int(np.count_nonzero(part == _QUOTE))

    with ThreadPoolExecutor() as threads:  # slices that fit a processor's cache
        counts = list(threads.map(count, range(0, len(data), _SLICE)))
    unended = not content.endswith(b"\n")
    return sum(ends for ends, _ in counts) + unended, sum(quotes for _, quotes in counts)


def _typed(read: pa.Table, columns: list[_Column]) -> tuple[pa.Table, np.ndarray]:
    """The columns of the log out of those between blanks, and in which rows something did not fit."""
    read = read.unify_dictionaries()
    unfit = np.zeros(len(read), bool)
    found: dict[str, pa.ChunkedArray] = {}
    for column, values in zip(columns, read.columns, strict=True):
        parts, unlike = _parted(column, values)
        unfit |= unlike
        for field, part in zip(column.fields, parts, strict=True):
            found[field.column], lost = _fitted(field, part)
            unfit |= lost
    wanted = schema(*found)
    arrays = [found[each.name] if each.name in found else pa.nulls(len(read), each.type) for each in wanted]
    return pa.table(arrays, schema=wanted), unfit


def _parted(column: _Column, values: pa.ChunkedArray) -> tuple[list[pa.ChunkedArray], np.ndarray]:
    """The values of each operator in *column*, and where the literals around them are others."""
    if column.is_bare:
        return [values], np.zeros(len(values), bool)
    if column.is_wrapped:
        before, after = column.around
        is_like = pc.and_(pc.starts_with(values, before), pc.ends_with(values, after))
        return [pc.utf8_slice_codeunits(values, len(before), -len(after) or None)], ~_mask(is_like)
    match = functools.cache(LinePattern(column.tokens).match)
    groups = [_each_text(values, partial(_part, match, i)) for i in range(len(column.fields))]
    is_like = pc.is_valid(_each_text(values, lambda text: text if match(text) is not None else None))
    return groups, ~_mask(is_like)


def _part(match: Callable[[str], tuple[str, ...] | None], number: int, text: str) -> str | None:
    found = match(text)
    return None if found is None or found[number] == "-" else found[number]


def _fitted(field: Field, values: pa.ChunkedArray) -> tuple[pa.ChunkedArray, np.ndarray]:
    """*values* as the column has them, and where there was one that is lost by that."""
    kind = kind_of(field.column)
    if kind == MOMENT:
        when = moments(values, field.form)
        return when, missing_among(when, values)
    if kind == INTEGER and values.type != INTEGER:
        texts = pc.cast(values, TEXT)
        fits = pc.match_substring_regex(texts, _DIGITS)
        numbers = pc.cast(pc.if_else(fits, texts, pa.scalar(None, TEXT)), INTEGER)
        return numbers, ~_mask(fits) & _mask(pc.is_valid(texts))
    if field.column == "upstream_cluster":
        values = _each_text(values, without_mark)
    return (values if values.type == kind else pc.cast(values, kind)), np.zeros(len(values), bool)


def _mask(booleans: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(pc.fill_null(booleans, False).to_numpy(), bool)


def _each_text(column: pa.ChunkedArray, change: Callable[[str], str | None]) -> pa.ChunkedArray:
    """A column of categories with each of its few different texts changed."""
    texts = column.chunks[0].dictionary.to_pylist() if column.chunks else []
    wanted = pa.array([change(text) for text in texts], TEXT).dictionary_encode()
    chunks = [
        pa.DictionaryArray.from_arrays(wanted.indices.take(chunk.indices), wanted.dictionary)
        for chunk in column.chunks
    ]
    return pa.chunked_array(chunks, CATEGORY)
