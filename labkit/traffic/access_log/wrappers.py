"""What tools put around a proxy's lines: kubectl's prefixes, stern's, a container runtime's log files.

======================  ===================================================================
``kubectl --prefix``    ``[pod/NAME/CONTAINER] LINE``
``kubectl --timestamps``  ``2024-03-01T18:09:48.000000001Z LINE``, behind the prefix if there is one
stern                   ``POD CONTAINER LINE``, with ``-A`` the namespace in front
CRI                     ``TIME stdout F LINE``; a long line in pieces, all but the last marked ``P``
Docker's json-file      ``{"log": "LINE\\n", "stream": "stdout", "time": TIME}``; pieces lack the line end
======================  ===================================================================

Sources: kubectl's and stern's own help; the CRI logging format of kubernetes/enhancements; Docker's
json-file driver.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"
_CRI = re.compile(rf"{_TIME} (?:stdout|stderr) ([FP])(?::\S*)? ?(.*)", re.DOTALL)
_NAME = r"[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?"
_PREFIXES = re.compile(
    rf"(?:\[pod/{_NAME}/{_NAME}\] )?(?:{_TIME} )|\[pod/{_NAME}/{_NAME}\] "
    rf"|(?:{_NAME} (?:› )?){{1,2}}{_NAME} (?:{_TIME} |│ )?"
)


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
    if line.startswith('{"log"'):
        return _of_docker(line)
    if match := _CRI.fullmatch(line):
        return match[2], match[1] == "P"
    if match := _PREFIXES.match(line):
        return line[match.end() :], False
    return None, False


def _of_docker(line: str) -> tuple[str | None, bool]:
    try:
        text = json.loads(line)["log"]
    except (ValueError, KeyError, TypeError):
        return None, False
    return (text, not text.endswith("\n")) if isinstance(text, str) else (None, False)
