"""Envoy's access log as a frame: any format of Istio's or of one's own, text and JSON, all fields, typed.

No line and no value that a proxy wrote is lost or altered in silence. A line that is no access-log line,
and one with a value that does not fit its column (which is then missing), stands in
``frame.attrs["unparsed"]`` as it was; one odd line never takes others along.

The columns have the keys of Istio's JSON encoding; what a format has besides follows them. ``-`` is a
missing value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from labkit.traffic.access_log.columns import FIELDS, schema
from labkit.traffic.access_log.formats import Format, JsonFormat, TextFormat, of_mesh
from labkit.traffic.access_log.parts import Formats, read_parts, together
from labkit.traffic.access_log.unparsed import Unparsed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FIELDS", "Format", "JsonFormat", "TextFormat", "Unparsed", "of_mesh", "parse", "read", "to_frame"]

# As quick here as Arrow's own allocator, which keeps some 50 MB of a kernel for itself.
pa.set_memory_pool(pa.system_memory_pool())


def parse(log: bytes | str | Iterable[str], formats: Sequence[Format] = ()) -> pd.DataFrame:
    """The access log as a frame, one row a line, in the log's order.

    log: the bytes or the text of a log, or its lines; also as ``kubectl logs --prefix`` or ``--timestamps``,
    stern, and a container runtime's files have them.
    formats: the mesh's own, see :func:`of_mesh`; Istio's of all versions since 1.4 are tried anyway.
    ``attrs["unparsed"]``: the lines that are no access-log lines, or not wholly; an :class:`Unparsed`.
    """
    return to_frame(*read(_bytes(log), formats))


def read(content: bytes, formats: Sequence[Format] = ()) -> tuple[pa.Table, Unparsed]:
    """As :func:`parse`, before pandas: a table that begins with the columns of :data:`FIELDS`."""
    if not content or content.isspace():
        return schema().empty_table(), Unparsed()
    return together(read_parts(content, Formats.beginning_with(formats)))


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
    text = log if isinstance(log, str) else "\n".join(line.rstrip("\n") for line in log)
    return text.encode(errors="replace")
