"""Regular expressions, judged by RE2 itself, with which Envoy matches; in Go's words, as istiod's."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

import re2

from labkit.embedded.mesh.validation.report import quoted

MAX_LENGTH = 1024
"""Bytes; istiod's limit."""
MAX_PROGRAM_SIZE = 32768
"""Of the compiled expression: Envoy's limit in a mesh (``re2.max_program_size.error_level``)."""
_RE2 = "Istio uses RE2 style regex-based match (https://github.com/google/re2/wiki/Syntax)"
# RE2's words and those of Go's regexp, which was written after it.
_GO_WORDS = {
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid repetition size": "invalid repeat count",
    "trailing \\": "trailing backslash at end of expression",
    "invalid named capture group": "invalid named capture",
}
_PROBLEM = re.compile(
    r"(?P<words>(?:missing|unexpected) [)\]]|trailing \\|[^:]+)(?:: (?P<part>.*))?", re.DOTALL
)


def regex(text: str, where: str) -> Iterator[str]:
    """What is wrong with the expression *text*, which stands in *where*."""
    if not text:
        yield f"{quoted(where)}: regex string match should not be empty"
    elif len(text.encode()) > MAX_LENGTH:
        yield f"{quoted(where)}: regex is too large, max length allowed is {MAX_LENGTH}"
    elif problem := _problem(text):
        yield f"{quoted(where)}: {problem}"


@functools.cache
def _quiet() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    return options


def _problem(text: str) -> str:
    try:
        size = re2.compile(text, _quiet()).programsize
    except re2.error as error:
        reason = error.args[0]
        return f"error parsing regexp: {_go_words(reason.decode(errors='replace'))}; {_RE2}"
    if size > MAX_PROGRAM_SIZE:
        return f"regex program size of {size} is larger than Envoy takes: {MAX_PROGRAM_SIZE}; simplify it"
    return ""


def _go_words(reason: str) -> str:
    found = _PROBLEM.fullmatch(reason)
    if found is None:
        return reason
    words = _GO_WORDS.get(found["words"], found["words"])
    return f"{words}: `{found['part'] or ''}`" if found["part"] or "trailing" in words else words
