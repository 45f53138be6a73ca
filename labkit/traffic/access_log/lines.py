"""Single lines of the text encoding: regular expressions that cost more and forgive more.

Envoy does not escape a quote within a quoted value, nor a blank in one that is not quoted. A line is read
three times if need be: as it usually is, where only what people may have filled with blanks and quotes
(path, User-Agent, a route's name) holds them; then with quotes in any value, which is a guess and told
of; and at last not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from labkit.traffic.access_log.formats import TextFormat
from labkit.traffic.access_log.rows import Rows

_LONGEST_GUESS = 16_384
"""Characters of a line that is guessed at: a longer one could be made to take long."""


def read_lines(lines: Iterable[tuple[int, str]], formats: Sequence[TextFormat], rows: Rows) -> None:
    """Add *lines*, numbered, to *rows* by the first of *formats* that each fits."""
    for number, line in lines:
        if not (_usual(number, line, formats, rows) or _guess(number, line, formats, rows)):
            rows.refuse(number, line)


def _usual(number: int, line: str, formats: Sequence[TextFormat], rows: Rows) -> bool:
    for form in formats:
        if values := form.usual.match(line):
            rows.add(number, line, zip(form.fields, values, strict=True))
            return True
    return False


def _guess(number: int, line: str, formats: Sequence[TextFormat], rows: Rows) -> bool:
    for form in formats:
        enough = line.count('"') >= form.quotes > 0
        if enough and len(line) <= _LONGEST_GUESS and (values := form.any_quotes.match(line)):
            rows.add(number, line, zip(form.fields, values, strict=True), is_guess=True)
            return True
    return False
