"""Envoy's access log as a frame: Istio's default text format and its JSON, all fields, typed.

The text format is separated by spaces, with quotes around what may hold one, so Arrow's CSV reader
reads it, many times faster than regular expressions. Envoy does not escape a quote inside a quoted
field, though, and the proxy's own messages stand in the same log; so what the reader skipped, and
whether a stray quote made it swallow a line end, is looked at afterwards, and then every line is
checked on its own. What is no access-log line is kept, not dropped: ``frame.attrs["unparsed"]``.

The columns have the keys of Istio's JSON encoding. ``-`` becomes a missing value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv
from pyarrow import json as arrow_json

if TYPE_CHECKING:
    import pandas as pd

# As quick here as Arrow's own allocator, which keeps some 50 MB of a kernel for itself.
pa.set_memory_pool(pa.system_memory_pool())

_CATEGORY = pa.dictionary(pa.int32(), pa.string())
_INTEGER = pa.int64()

FIELDS: dict[str, pa.DataType] = {
    "start_time": pa.timestamp("ms", tz="UTC"),
    "method": _CATEGORY,
    "path": _CATEGORY,
    "protocol": _CATEGORY,
    "response_code": _INTEGER,
    "response_flags": _CATEGORY,
    "response_code_details": _CATEGORY,
    "connection_termination_details": _CATEGORY,
    "upstream_transport_failure_reason": _CATEGORY,
    "bytes_received": _INTEGER,
    "bytes_sent": _INTEGER,
    "duration": _INTEGER,
    "upstream_service_time": _INTEGER,
    "x_forwarded_for": _CATEGORY,
    "user_agent": pa.string(),
    "request_id": pa.string(),
    "authority": _CATEGORY,
    "upstream_host": _CATEGORY,
    "upstream_cluster": _CATEGORY,
    "upstream_local_address": pa.string(),
    "downstream_local_address": _CATEGORY,
    "downstream_remote_address": pa.string(),
    "requested_server_name": _CATEGORY,
    "route_name": _CATEGORY,
}
"""Column → Arrow type. Categories where few values repeat; ``duration`` and service time in ms."""

_REQUEST = ("method", "path", "protocol")
_IN_TEXT = ["start_time", "request", *(name for name in list(FIELDS)[1:] if name not in _REQUEST)]
"""The text format's fields, in order: the request line is one."""

_LINE = re.compile(
    rb'\[\S+\] "[^"]*" \d+ \S+ \S+ \S+ "[^"]*" \d+ \d+ \d+ \S+ '
    rb'"[^"]*" "[^"]*" "[^"]*" "[^"]*" "[^"]*" \S+ \S+ \S+ \S+ \S+ \S+'
)
_BLOCK, _SLICE, _NEWLINE = 4 << 20, 1 << 20, 10  # blocks small enough that every core gets its share


class Unparsed:
    """The lines that are no access-log lines: ``len()`` counts them, iterating shows them."""

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
        return f"<{len(self)} lines that are no access-log lines>"


def parse(log: bytes | str | Iterable[str]) -> pd.DataFrame:
    """The access log as a frame, one row a line, in the log's order of each encoding.

    log: the bytes or the text of a log, or its lines. Lines that are no access-log lines are kept in
    ``attrs["unparsed"]``, an :class:`Unparsed`.
    """
    return to_frame(*read(_bytes(log)))


def read(content: bytes) -> tuple[pa.Table, Unparsed]:
    """As :func:`parse`, before pandas: a table of :data:`FIELDS`."""
    lines: list[str] = content.decode(errors="replace").splitlines() if content.startswith(b"{") else []
    table, unread = (_empty(), lines) if lines else _read_text(content)
    in_json = [line for line in unread if line.startswith("{")]
    if not in_json:
        return table, Unparsed(unread)
    from_json, broken = _read_json(in_json)
    others = [line for line in unread if not line.startswith("{")]
    if others and lines:
        from_text, others = _read_text("\n".join(others).encode())
        table = from_text
    return pa.concat_tables([table, from_json]), Unparsed([*others, *broken])


def to_frame(table: pa.Table, unparsed: Unparsed) -> pd.DataFrame:
    """*table* as a frame; its integers may be missing (``Int64``)."""
    import pandas as pd

    frame: pd.DataFrame = table.unify_dictionaries().to_pandas(
        types_mapper={pa.int64(): pd.Int64Dtype()}.get, split_blocks=True, self_destruct=True
    )
    frame.attrs["unparsed"] = unparsed
    return frame


def _bytes(log: bytes | str | Iterable[str]) -> bytes:
    """The log as UTF-8, whatever bytes a client has sent as its User-Agent."""
    if isinstance(log, bytes):
        return log if log.isascii() else log.decode(errors="replace").encode()
    return (log if isinstance(log, str) else "\n".join(line.rstrip("\n") for line in log)).encode()


# ---------------------------------------------------------------------------------------------- text


def _read_text(content: bytes) -> tuple[pa.Table, list[str]]:
    if not content or content.isspace():
        return _empty(), []
    skipped: list[str] = []
    try:
        with ThreadPoolExecutor(1) as meanwhile:
            lines = meanwhile.submit(_count_lines, content)
            table = _read_csv(content, skipped)
        if len(table) + len(skipped) == lines.result():  # else a stray quote swallowed a line end
            return _typed(table), skipped
    except pa.ArrowInvalid:  # a message that happens to have as many words as a line has fields
        pass
    return _read_line_by_line(content)


def _read_line_by_line(content: bytes) -> tuple[pa.Table, list[str]]:
    good: list[bytes] = []
    bad: list[str] = []
    for line in content.splitlines():
        if _LINE.fullmatch(line):
            good.append(line)
        elif line.strip():
            bad.append(line.decode(errors="replace"))
    return (_typed(_read_csv(b"\n".join(good), [])) if good else _empty()), bad


def _read_csv(content: bytes, skipped: list[str]) -> pa.Table:
    def skip(row: csv.InvalidRow) -> str:
        skipped.append(row.text)
        return "skip"

    types = {name: FIELDS.get(name, _CATEGORY) for name in _IN_TEXT} | {"start_time": pa.string()}
    return csv.read_csv(
        pa.BufferReader(content),
        read_options=csv.ReadOptions(column_names=_IN_TEXT, block_size=_BLOCK),
        parse_options=csv.ParseOptions(delimiter=" ", double_quote=False, invalid_row_handler=skip),
        convert_options=csv.ConvertOptions(
            column_types=types, null_values=["-"], strings_can_be_null=True, quoted_strings_can_be_null=True
        ),
    )


def _count_lines(content: bytes) -> int:
    data = np.frombuffer(content, np.uint8)
    with ThreadPoolExecutor() as threads:  # slices that fit a processor's cache
        ends = threads.map(
            lambda at: np.count_nonzero(data[at : at + _SLICE] == _NEWLINE), range(0, len(data), _SLICE)
        )
        return int(sum(ends)) + (not content.endswith(b"\n"))


def _typed(table: pa.Table) -> pa.Table:
    """The columns of FIELDS out of those of the text format."""
    table = table.unify_dictionaries()
    columns = dict(zip(table.column_names, table.columns, strict=True))
    columns |= _split_request(columns.pop("request"))
    columns["start_time"] = _timestamps(columns["start_time"])
    return pa.table([columns[name] for name in FIELDS], schema=pa.schema(list(FIELDS.items())))


def _timestamps(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """``[2026-01-31T12:00:00.000Z]`` as a moment; ArrowInvalid where it is none."""
    return pc.cast(pc.utf8_slice_codeunits(column, 1, -1), FIELDS["start_time"])


def _split_request(column: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
    """``GET /service-a HTTP/1.1`` in three; only the few different request lines are looked at."""
    values = column.chunks[0].dictionary.to_pylist() if column.chunks else []
    parts = [_request_parts(value) for value in values]
    split = {}
    for position, name in enumerate(_REQUEST):
        wanted = pa.array([part[position] for part in parts], pa.string()).dictionary_encode()
        chunks = [_renumbered(wanted, chunk.indices) for chunk in column.chunks]
        split[name] = pa.chunked_array(chunks, _CATEGORY)
    return split


def _request_parts(line: str) -> list[str | None]:
    method, _, rest = line.partition(" ")
    path, _, protocol = rest.rpartition(" ")
    return [None if part in ("-", "") else part for part in (method, path, protocol)]


def _renumbered(wanted: pa.DictionaryArray, indices: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(wanted.indices.take(indices), wanted.dictionary)


def _empty() -> pa.Table:
    return pa.schema(list(FIELDS.items())).empty_table()


# ---------------------------------------------------------------------------------------------- JSON

# Envoy writes this one as a text: it is a header's value.
_TEXTS_IN_JSON = {"upstream_service_time"}
_IN_JSON = pa.schema(
    [
        (name, pa.string() if kind == _CATEGORY or name in _TEXTS_IN_JSON else kind)
        for name, kind in FIELDS.items()
    ]
)


def _read_json(lines: list[str]) -> tuple[pa.Table, list[str]]:
    try:
        return _read_json_at_once("\n".join(lines).encode()), []
    except pa.ArrowInvalid:  # a line cut off, or a number where a text is usual: one by one
        return _read_json_line_by_line(lines)


def _read_json_at_once(content: bytes) -> pa.Table:
    table = arrow_json.read_json(
        pa.BufferReader(content),
        read_options=arrow_json.ReadOptions(block_size=_BLOCK),
        parse_options=arrow_json.ParseOptions(explicit_schema=_IN_JSON, unexpected_field_behavior="ignore"),
    )
    if pc.any(pc.is_null(table["start_time"])).as_py():
        raise pa.ArrowInvalid("an object without start_time is no access-log line")
    columns = [_cast(_dash_to_null(table[name]), kind) for name, kind in FIELDS.items()]
    return pa.table(columns, schema=pa.schema(list(FIELDS.items())))


def _dash_to_null(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_string(column.type):
        return column
    return pc.if_else(pc.equal(column, "-"), pa.scalar(None, pa.string()), column)


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    return pc.dictionary_encode(column) if kind == _CATEGORY else pc.cast(column, kind)


def _read_json_line_by_line(lines: list[str]) -> tuple[pa.Table, list[str]]:
    tables: list[pa.Table] = [_empty()]
    bad: list[str] = []
    for line in lines:
        try:
            tables.append(_read_json_at_once(json.dumps(_as_envoy_writes(json.loads(line))).encode()))
        except (ValueError, TypeError):  # ArrowInvalid is a ValueError
            bad.append(line)
    return pa.concat_tables(tables), bad


def _as_envoy_writes(values: dict[str, Any]) -> dict[str, Any]:
    """Texts for texts and numbers for numbers, as the schema wants them."""
    numbers = {field.name for field in _IN_JSON if field.type == _INTEGER}
    return {
        name: value
        if value is None or name == "start_time"
        else int(value)
        if name in numbers
        else str(value)
        for name, value in values.items()
    }
