"""Quantities (``100m``, ``32Mi``): their canonical form, their number, their sum.

Errors are :class:`ValueError` with the words of ``resource.Quantity``'s ``UnmarshalJSON``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal, localcontext
from typing import Any

_QUANTITY = re.compile(r"([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)")
_QUANTITY_TEXT = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_LONGEST_QUANTITY = 64  # characters; the largest int64 has 19 digits
_EXACT = 200  # digits: more than the longest has, times the largest suffix
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


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


def shown(number: Decimal, like: str) -> str:
    """*number* as a quantity of the kind that *like* is: in powers of two or of ten."""
    with localcontext(prec=_EXACT):
        is_binary = like[-2:] in _BINARY[1:]
        return _canonical_binary(number) if is_binary else _canonical_decimal(number)


def total(quantities: Iterable[str]) -> str:
    """The sum, of the kind of the first that is not zero; ``0`` of none."""
    found = [each for each in quantities if amount(each)]
    return shown(sum(map(amount, found), Decimal()), found[0]) if found else "0"
