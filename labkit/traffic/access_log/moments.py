"""``%START_TIME%`` in any form: ISO 8601 of any precision, seconds since 1970, or a format of one's own.

Envoy's formats are strftime's, with ``%3f`` for three digits of the second's fraction (1 to 9; ``%f`` is
all nine) and ``%s`` for whole seconds since 1970.
Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage
"""

from __future__ import annotations

import datetime as dt
import functools
import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labkit.traffic.access_log.columns import MOMENT

_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d+))?\s?(Z|[+-]\d\d:?\d\d)?", re.ASCII | re.IGNORECASE
)
_EPOCH = re.compile(r"(-?\d{1,11})(?:\.(\d+))?", re.ASCII)
_DIRECTIVE = re.compile(r"%([1-9]?)([a-zA-Z%])")
_DIGITS = dict.fromkeys("mdHMSyI", r"\d\d") | {"Y": r"\d{4}"}
_DIGITS |= {"j": r"\d{3}", "e": r"[ \d]\d", "z": r"[+-]\d\d:?\d\d|Z"}
_COMPOUND = {"T": "%H:%M:%S", "F": "%Y-%m-%d", "D": "%m/%d/%y", "R": "%H:%M"}
_LIMIT = 2**63


def moments(column: pa.ChunkedArray, form: str = "") -> pa.ChunkedArray:
    """Texts as moments in UTC, to the nanosecond; missing where a text is none."""
    if not form:
        try:
            return pc.cast(column, MOMENT)
        except pa.ArrowInvalid:  # not ISO 8601, or not all of it
            pass
    values = [None if text is None else moment(text, form) for text in column.to_pylist()]
    return pa.chunked_array([pa.array(values, pa.int64()).cast(MOMENT)])


def moment(text: str, form: str = "") -> int | None:
    """Nanoseconds since 1970 of *text*, which ``START_TIME`` wrote by *form*; None where it is none."""
    try:
        found = _by_form(text, form) if form else None
        found = _of_iso(text) if found is None else found
        found = _of_epoch(text) if found is None else found
    except (ValueError, OverflowError):  # the 31st of February; a year nobody logs in
        return None
    return found if found is not None and abs(found) < _LIMIT else None


def _of_iso(text: str) -> int | None:
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    date, time, fraction, zone = match.groups()
    whole = dt.datetime.fromisoformat(f"{date}T{time}{(zone or 'Z').upper()}")
    return int(whole.timestamp()) * 10**9 + _nanoseconds(fraction)


def _of_epoch(text: str) -> int | None:
    match = _EPOCH.fullmatch(text)
    return int(match[1]) * 10**9 + _nanoseconds(match[2]) if match else None


def _nanoseconds(fraction: str | None) -> int:
    return int((fraction or "0")[:9].ljust(9, "0"))


def _by_form(text: str, form: str) -> int | None:
    pattern, directives = _pattern(form)
    match = pattern.fullmatch(text)
    if match is None:
        return None
    seconds, fraction, words, names = None, None, [], []
    for value, name in zip(match.groups(), directives, strict=True):
        if name == "s":
            seconds = int(value)
        elif name == "f":
            fraction = value
        else:
            words.append(value)
            names.append(f"%{'d' if name == 'e' else name}")
    if seconds is None:
        whole = dt.datetime.strptime("\n".join(words), "\n".join(names))
        seconds = int((whole if whole.tzinfo else whole.replace(tzinfo=dt.UTC)).timestamp())
    return seconds * 10**9 + _nanoseconds(fraction)


@functools.cache
def _pattern(form: str) -> tuple[re.Pattern[str], list[str]]:
    """*form* as a regular expression with a group for each directive, and the directives' letters."""
    for short, long in _COMPOUND.items():
        form = form.replace(f"%{short}", long)
    parts, names, at = [], [], 0
    for found in _DIRECTIVE.finditer(form):
        parts.append(re.escape(form[at : found.start()]))
        at = found.end()
        width, letter = found.groups()
        if letter == "%":
            parts.append("%")
            continue
        digits = {"s": r"-?\d+", "f": rf"\d{{{width or 9}}}"}
        parts.append(f"({(digits | _DIGITS).get(letter, r'[^ ]+?')})")
        names.append(letter)
    return re.compile("".join([*parts, re.escape(form[at:])]), re.ASCII), names


def missing_among(moments: pa.ChunkedArray, texts: pa.ChunkedArray) -> np.ndarray:
    """Where there was a text that is no moment."""
    lost = pc.and_(pc.is_null(moments), pc.is_valid(texts))
    return np.asarray(lost.to_numpy(zero_copy_only=False), bool)
