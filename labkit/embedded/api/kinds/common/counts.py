"""Numbers that may be shares: ``3``, ``"25%"``."""

from __future__ import annotations

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes


def count_or_share(causes: Causes, field: str, value: int | str) -> None:
    """A number that is not negative, or a share that is well written."""
    if isinstance(value, int):
        causes.not_negative(field, value)
    else:
        causes.invalid_each(field, value, names.percent(value))


def not_more_than_all(causes: Causes, field: str, value: int | str) -> None:
    """A share of a hundred at the most."""
    if isinstance(value, str) and number(value) > 100:
        causes.invalid(field, value, "must not be greater than 100%")


def number(value: int | str) -> int:
    """The number, or that of the share; 0 of what is none."""
    if isinstance(value, int):
        return value
    return int(value[:-1]) if not names.percent(value) else 0
