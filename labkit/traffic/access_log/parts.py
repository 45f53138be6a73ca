"""Which lines of a log are read in which way: all at once, as objects, out of a wrapper, or one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from labkit.traffic.access_log.columns import schema
from labkit.traffic.access_log.formats import (
    ISTIO_JSON,
    ISTIO_TEXT,
    OLDER_TEXT,
    Format,
    JsonFormat,
    TextFormat,
)
from labkit.traffic.access_log.json_lines import read_objects
from labkit.traffic.access_log.lines import read_lines
from labkit.traffic.access_log.rows import Part, Rows
from labkit.traffic.access_log.text import read_at_once
from labkit.traffic.access_log.unparsed import Unparsed
from labkit.traffic.access_log.wrappers import Wrapped, unwrapped

_SAMPLE = 1 << 18
"""Bytes of a log in which a line of its format shall be found."""

_MANY = 200
"""Lines for which it pays to read them at once."""

Lines = dict[int, str]
"""Lines by their number in the log."""


@dataclass(frozen=True)
class Formats:
    """What the lines of a log may be, the likeliest first."""

    texts: Sequence[TextFormat] = (ISTIO_TEXT, *OLDER_TEXT)
    objects: Sequence[JsonFormat] = (ISTIO_JSON,)

    @classmethod
    def beginning_with(cls, given: Sequence[Format]) -> Formats:
        """*given*, and Istio's behind them."""
        texts = [each for each in given if isinstance(each, TextFormat)]
        objects = [each for each in given if isinstance(each, JsonFormat)]
        return cls((*texts, *cls.texts), (*objects, *cls.objects))


def read_parts(content: bytes, formats: Formats) -> Iterator[Part]:
    """The parts of a log's *content*, which is not empty."""
    read = read_at_once(content, formats.texts[0]) if _begins_with(content, formats.texts[0]) else None
    if read is not None:
        part, others = read
        yield part
    else:
        lines = content.decode(errors="replace").split("\n")
        others = {number: line.removesuffix("\r") for number, line in enumerate(lines) if line.strip()}
    yield from _read_others(others, formats)


def _begins_with(content: bytes, form: TextFormat) -> bool:
    """Whether *form* is that of a line near the beginning."""
    lines = content[:_SAMPLE].decode(errors="replace").splitlines()
    return any(form.usual.match(line) for line in lines)


def together(parts: Iterable[Part]) -> tuple[pa.Table, Unparsed]:
    """One table in the order of the log, and the lines to be told of."""
    found = list(parts)
    odd = {number: line for part in found for number, line in part.odd.items()}
    filled = [part for part in found if len(part.at)]
    if len(filled) < 2:
        table = filled[0].table if filled else schema().empty_table()
    else:
        at = np.concatenate([np.asarray(part.at) for part in filled])
        table = pa.concat_tables([part.table for part in filled], promote_options="default")
        table = table.unify_dictionaries().take(pa.array(np.argsort(at, kind="stable")))
    return table, Unparsed(odd[number] for number in sorted(odd))


def _read_others(lines: Lines, formats: Formats) -> Iterator[Part]:
    """What could not be read at once by the first format."""
    wrapped = unwrapped({n: line for n, line in lines.items() if not _is_bare(line, formats)})
    inside = {number for each in wrapped.values() for number in each.numbers}
    bare = {n: line for n, line in lines.items() if n not in inside}
    for part in _read_bare({number: each.inner for number, each in wrapped.items()}, formats):
        known = {number for number in part.odd if number in part.at}
        yield Part(part.table, part.at, _as_they_were(known, wrapped, lines))
        bare |= _as_they_were(part.odd.keys() - known, wrapped, lines)
    yield from _read_bare(bare, formats)


def _is_bare(line: str, formats: Formats) -> bool:
    """Whether a line of a format of one's own might be taken for a wrapped one."""
    return formats.texts[0] is not ISTIO_TEXT and formats.texts[0].usual.match(line) is not None


def _as_they_were(numbers: Iterable[int], wrapped: dict[int, Wrapped], lines: Lines) -> Lines:
    return {n: lines[n] for number in numbers for n in wrapped[number].numbers}


def _read_bare(lines: Lines, formats: Formats) -> Iterator[Part]:
    objects = {number: line for number, line in lines.items() if line.lstrip().startswith("{")}
    if objects:
        yield read_objects(objects, formats.objects)
    texts = {number: line for number, line in lines.items() if number not in objects}
    for form in formats.texts:
        part, texts = _read_many(texts, form)
        yield from part
    rows = Rows()
    read_lines(texts.items(), formats.texts, rows)
    yield rows.part()


def _read_many(lines: Lines, form: TextFormat) -> tuple[list[Part], Lines]:
    """Those of many *lines* that are of *form*, and the others."""
    if len(lines) < _MANY or not any(form.usual.match(line) for line in list(lines.values())[:_MANY]):
        return [], lines
    read = read_at_once("\n".join(lines.values()).encode(), form)
    if read is None:
        return [], lines
    numbers, (part, others) = list(lines), read
    at = [numbers[i] for i in part.at]
    return [Part(part.table, at)], {numbers[i]: lines[numbers[i]] for i in others}
