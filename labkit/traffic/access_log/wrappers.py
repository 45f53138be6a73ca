"""What tools put around a proxy's lines: kubectl's prefixes, stern's, a runtime's and a log shipper's files.

==========================  ===================================================================
``kubectl --prefix``        ``[pod/NAME/CONTAINER] LINE``
``kubectl --timestamps``    ``2024-03-01T18:09:48.000000001Z LINE``, behind the prefix if there is one
stern                       ``POD CONTAINER LINE``, with ``-A`` the namespace in front
kubetail                    ``[POD] LINE``, ``[POD CONTAINER] LINE``
``docker compose logs``     ``NAME  | LINE``
journald, syslog            ``Mar 01 18:09:48 HOST NAME[PID]: LINE``, the time also in ISO 8601
CRI                         ``TIME stdout F LINE``; a long line in pieces, all but the last marked ``P``
Docker's json-file          ``{"log": "LINE\\n", "stream": "stdout", "time": TIME}``; pieces lack the line end
``stern -o json``, Fluent   an object with the line under ``message`` or ``log``; with Google's logs under
Bit, journald's export      ``textPayload``, with journald's under ``MESSAGE``
==========================  ===================================================================

Colours of a terminal and blanks in front go, too.

Sources: the tools' own help; the CRI logging format of kubernetes/enhancements; Docker's json-file driver;
systemd.journal-fields(7); Google Cloud's LogEntry.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"
_CRI = re.compile(rf"{_TIME} (?:stdout|stderr) ([FP])(?::\S*)? ?(.*)", re.DOTALL)
_NAME = r"[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?"
_SYSLOG_TIME = (
    r"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?[+-]\d\d:?\d\d)"
)
_POD = r"[a-z][-a-z0-9.]*"
_PREFIXES = re.compile(
    rf"(?:\[pod/{_NAME}/{_NAME}\] )?(?:{_TIME} )|\[pod/{_NAME}/{_NAME}\] "
    rf"|\[{_POD}(?: {_NAME})?\] "
    rf"|[A-Za-z0-9][-\w.]* +\| "
    rf"|{_SYSLOG_TIME} [-\w.]+ [-\w./@]+\[\d+\]: "
    rf"|(?:{_NAME} (?:› )?){{1,2}}{_NAME} (?:{_TIME} |│ )?"
    r"|[ \t]+(?=\S)"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_AN_ACCESS_LOGS_OWN = '"response_code"'
"""Not to be found in a line inside of JSON, where its quotes are escaped."""
_KEYS = ("log", "message", "textPayload", "MESSAGE")


@dataclass
class Wrapped:
    """One line of a proxy, and the numbers of the lines it was found in."""

    inner: str
    numbers: list[int]


def unwrapped(lines: dict[int, str]) -> dict[int, Wrapped]:
    """*lines*, by number, without what a tool put around them; those that nothing stands around are left out.

    Pieces of one line are joined, under the number of the first.
    """
    found: dict[int, Wrapped] = {}
    unfinished: Wrapped | None = None
    for number, line in lines.items():
        piece, goes_on = _inner(line)
        if piece is None:
            unfinished = None
            continue
        if unfinished is None:
            unfinished = found[number] = Wrapped("", [])
        unfinished.inner += piece.rstrip("\r\n")
        unfinished.numbers.append(number)
        unfinished = unfinished if goes_on else None
    return found


def _inner(line: str) -> tuple[str | None, bool]:
    """What is inside of *line*, and whether the next line goes on with it."""
    plain = _COLOUR.sub("", line) if "\x1b" in line else line
    inner, goes_on = _inside(plain)
    return (plain if inner is None and plain is not line else inner), goes_on


def _inside(line: str) -> tuple[str | None, bool]:
    if line.startswith("{"):
        return _of_object(line) if _AN_ACCESS_LOGS_OWN not in line else (None, False)
    if match := _CRI.fullmatch(line):
        return match[2], match[1] == "P"
    if match := _PREFIXES.match(line):
        return line[match.end() :], False
    return None, False


def _of_object(line: str) -> tuple[str | None, bool]:
    """The line in an object of Docker's or a log shipper's; only Docker cuts a long one into pieces."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None, False
    text = next((values[key] for key in _KEYS if isinstance(values.get(key), str)), None)
    is_dockers = values.keys() <= {"log", "stream", "time", "attrs"}
    return text, is_dockers and text is not None and not text.endswith("\n")
