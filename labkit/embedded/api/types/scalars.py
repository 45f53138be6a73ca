"""The scalars with rules of their own: quantities, times, int-or-string, base64.

Each check raises :class:`ValueError` with the words of the Go type's ``UnmarshalJSON``.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from collections.abc import Callable
from typing import Any

from labkit.embedded.api.types import golang
from labkit.embedded.quantities import quantity

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_LAYOUT = "2006-01-02T15:04:05Z07:00"


def time(value: Any) -> str:
    """A ``metav1.Time`` or ``MicroTime``, unchanged."""
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        dt.datetime.fromisoformat(value)
        return value
    if not isinstance(value, str):
        raise ValueError(f"json: cannot unmarshal {golang.json_type(value)} into Go value of type string")
    shown = golang.quoted(value)
    raise ValueError(f'parsing time {shown} as "{_LAYOUT}": cannot parse {shown} as "2006"')


def int_or_string(value: Any) -> int | str:
    """A port or a percentage."""
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ValueError(f"json: cannot unmarshal {golang.json_type(value)} into Go value of type int32")


def base64_bytes(value: Any) -> str:
    """``[]byte`` in JSON."""
    if not isinstance(value, str):
        raise ValueError(f"json: cannot unmarshal {golang.json_type(value)} into Go value of type []uint8")
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError(f"illegal base64 data at input byte {_bad_byte(value)}") from error
    return value


def _bad_byte(text: str) -> int:
    wrong = re.search(r"[^A-Za-z0-9+/=]", text)
    return wrong.start() if wrong else len(text) - len(text) % 4


FORMATS: dict[str, Callable[[Any], Any]] = {
    "quantity": quantity,
    "date-time": time,
    "int-or-string": int_or_string,
    "byte": base64_bytes,
}
"""By the ``format`` of the schema."""
