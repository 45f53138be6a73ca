"""What labkit prints, on any stdout: not only UTF-8, with a reader that may leave, names that are no text."""

from __future__ import annotations

import codecs
import os
import sys
import unicodedata
from typing import TextIO

_ERRORS = "labkit-plain"
_PLAIN = {
    **{"✔": "+", "✓": "+", "✘": "x", "✗": "x", "●": "*", "•": "*", "·": "-", "×": "x", "…": "..."},
    **{"→": "->", "←": "<-", "–": "-", "—": "-", "−": "-", "≥": ">=", "≤": "<=", "≠": "!=", "≈": "~"},
    **{"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "\u00a0": " ", "\u202f": " "},
}
BROKEN_PIPE = 141
"""The exit status of a program whose reader left: 128 + SIGPIPE."""


def prepare() -> None:
    """Have stdout and stderr take every text: plain marks where their encoding has no others."""
    codecs.register_error(_ERRORS, _plainly)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_ERRORS)


def finish() -> bool:
    """Write what is left; whether somebody was there to read it."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # started without any (`>&-`)
                stream.flush()
    except BrokenPipeError:
        forget()
        return False
    except (OSError, ValueError):  # a full disk behind it, or closed
        forget()
    return True


def forget() -> None:
    """Let nothing more be written to stdout: Python would try again at its end, and complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        if _is_broken(stream):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _is_broken(stream: TextIO) -> bool:
    try:
        stream.flush()
    except (OSError, ValueError):
        return not stream.closed
    return False


def _plainly(error: UnicodeError) -> tuple[str | bytes, int]:
    """What stands in for characters that the encoding lacks; a byte of a file name stays that byte."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    if all("\udc80" <= character <= "\udcff" for character in lacking):
        return bytes(ord(character) - 0xDC00 for character in lacking), error.end
    return "".join(map(_plain, lacking)), error.end


def _plain(character: str) -> str:
    """Its place in the table, its letter without the accent, or ``?``: all of it ASCII."""
    if character in _PLAIN:
        return _PLAIN[character]
    letters = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return letters or ("?" if not unicodedata.combining(character) else "")
