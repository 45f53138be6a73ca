"""Numbers in texts that anybody may have written."""

from __future__ import annotations

_MOST_DIGITS = 20  # of 2**64


def unsigned(text: str) -> int | None:
    """The number that *text* is in ASCII digits; None where it is none, or none of 64 bits.

    ``str.isdigit`` takes ``²``, at which ``int`` fails, and so it does at some thousand digits.
    """
    if not text.isascii() or not text.isdecimal() or len(text.lstrip("0")) > _MOST_DIGITS:
        return None
    value = int(text)
    return value if value < 1 << 64 else None
