"""Times as they stand in tables and pictures, in the language that is spoken."""

from __future__ import annotations

from labkit.language import gettext


def milliseconds(number: float) -> str:
    """``8 ms``; what a log that counts in whole ones has as none is less than one."""
    return gettext("{number:g} ms", number=number) if number else gettext("< 1 ms")
