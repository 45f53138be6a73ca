"""The scalars with rules of their own: quantities, times, int-or-string, base64.

Each check raises :class:`ValueError` with the words of the Go type's ``UnmarshalJSON``.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

from labkit.embedded.api.types import golang

_QUANTITY = re.compile(r"([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)")
_QUANTITY_TEXT = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_LONGEST_QUANTITY = 64  # characters; the largest int64 has 19 digits
_EXACT = 200  # digits: more than the longest has, times the largest suffix
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_LAYOUT = "2006-01-02T15:04:05Z07:00"


def quantity(value: Any) -> str:
    """A ``resource.Quantity`` in its canonical form: ``0.5`` → ``500m``, ``1024Mi`` → ``1Gi``."""
    if isinstance(value, (bool, dict, list)) or len(str(value)) > _LONGEST_QUANTITY:
        raise ValueError(_QUANTITY_TEXT)
    match = _QUANTITY.fullmatch(str(value))
    if not match or match[1].count(".") > 1 or not any(map(str.isdigit, match[1])):
        raise ValueError(_QUANTITY_TEXT)
    with localcontext(prec=_EXACT):
        return _canonical(match[1], match[2])


def _canonical(digits: str, suffix: str) -> str:
    if suffix in _BINARY[1:]:
        return _canonical_binary(Decimal(digits) * 1024 ** _BINARY.index(suffix))
    if suffix in _DECIMAL:
        return _canonical_decimal(Decimal(digits) * Decimal(10) ** _DECIMAL[suffix])
    if re.fullmatch(r"[eE][+-]?[0-9]{1,4}", suffix):
        return f"{digits}e{int(suffix[1:])}"
    raise ValueError("unable to parse quantity's suffix")


def amount(value: Any) -> Decimal:
    """The number a quantity stands for."""
    text = quantity(value)
    match = _QUANTITY.fullmatch(text)
    assert match
    number, suffix = Decimal(match[1]), match[2]
    if suffix in _BINARY[1:]:
        return number * Decimal(1024 ** _BINARY.index(suffix))
    return number * Decimal(10) ** _DECIMAL[suffix] if suffix in _DECIMAL else Decimal(text)


def _canonical_binary(number: Decimal) -> str:
    if abs(number) < 1024 or number != number.to_integral_value():
        return _canonical_decimal(number)  # without a loss
    power = max(each for each in range(len(_BINARY)) if number % 1024**each == 0)
    return f"{int(number / 1024**power)}{_BINARY[power]}"


def _canonical_decimal(number: Decimal) -> str:
    if not number:
        return "0"
    for suffix, power in sorted(_DECIMAL.items(), key=lambda item: -item[1]):
        scaled = number / Decimal(10) ** power
        if scaled == scaled.to_integral_value():
            return f"{int(scaled)}{suffix}"
    return f"{int((number * 10**9).to_integral_value(rounding='ROUND_UP'))}n"


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
