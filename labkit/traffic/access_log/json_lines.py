"""The JSON encoding: an object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

from labkit.traffic.access_log.columns import CATEGORY, FIELDS, INTEGER, MOMENT, TEXT, schema
from labkit.traffic.access_log.formats import ISTIO_JSON, JsonFormat
from labkit.traffic.access_log.moments import missing_among, moments
from labkit.traffic.access_log.rows import Part, Rows

_BLOCK = 4 << 20
_WRITTEN_AS_TEXT = {"start_time", "upstream_service_time"}  # the second one is a header's value
_AS_WRITTEN = pa.schema(
    [
        (name, INTEGER if kind == INTEGER and name not in _WRITTEN_AS_TEXT else TEXT)
        for name, kind in FIELDS.items()
    ]
)


def read_objects(lines: Mapping[int, str], formats: Sequence[JsonFormat]) -> Part:
    """*lines*, by number, each an object in JSON."""
    at_once = _at_once(lines) if formats[0] is ISTIO_JSON else None
    return at_once or _one_by_one(lines, formats)


def _at_once(lines: Mapping[int, str]) -> Part | None:
    """All of them by Istio's keys; None where one has others, or a value of another kind."""
    try:
        read = arrow_json.read_json(
            pa.BufferReader("\n".join(lines.values()).encode()),
            read_options=arrow_json.ReadOptions(block_size=_BLOCK),
            parse_options=arrow_json.ParseOptions(
                explicit_schema=_AS_WRITTEN, unexpected_field_behavior="error"
            ),
        )
        columns = {name: _dash_to_null(read[name]) for name in FIELDS}
        when = moments(columns["start_time"])
        if len(read) != len(lines) or when.null_count or missing_among(when, columns["start_time"]).any():
            return None
        arrays = [when if kind == MOMENT else _as(columns[name], name) for name, kind in FIELDS.items()]
    except pa.ArrowInvalid:  # a line cut off, a key or a kind that is not Istio's
        return None
    return Part(pa.table(arrays, schema=schema()), list(lines))


def _dash_to_null(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_string(column.type):
        return column
    return pc.if_else(pc.equal(column, "-"), pa.scalar(None, TEXT), column)


def _as(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    kind = FIELDS[name]
    if name == "upstream_cluster":
        column = pc.replace_substring_regex(column, ";$", "")
    return pc.dictionary_encode(column) if kind == CATEGORY else pc.cast(column, kind)


def _one_by_one(lines: Mapping[int, str], formats: Sequence[JsonFormat]) -> Part:
    rows = Rows()
    for number, line in lines.items():
        values = dict(_flat(_object(line)))
        form = next((each for each in formats if each.tells_an_access_log & values.keys()), None)
        if form is None:
            rows.refuse(number, line)
        else:
            rows.add(number, line, [(form.field(key), value) for key, value in values.items()])
    return rows.part()


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Keys of nested objects joined by dots, as :class:`JsonFormat` has them."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
