"""What of a notebook is prose, and the notebook with other words in its place.

Prose is the Markdown, and in the code its comments and what ``lab.verify()`` states. Each piece is named
by the id of its cell, so the same words may be said differently in two places. Code stands once, in the
English notebook: that of another language is made from it.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Callable, Iterator
from typing import Any

Translate = Callable[[str, str], str]
"""From a cell's id and a piece of its prose: that piece in another language."""


def pieces(notebook: Any) -> Iterator[tuple[str, str]]:
    """Each piece of prose in *notebook*, after the id of its cell."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield cell.id, cell.source
        else:
            yield from ((cell.id, _words(token.string)) for token in _prose(cell.source))


def in_other_words(notebook: Any, translate: Translate) -> None:
    """Have *notebook* say everything as *translate* has it; outputs, which speak English, go."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = translate(cell.id, cell.source)
        else:
            cell.source = _code(cell.id, cell.source, translate)
            cell.outputs, cell.execution_count = [], None


def _code(cell: str, source: str, translate: Translate) -> str:
    lines = source.splitlines(keepends=True)
    for token in reversed(list(_prose(source))):  # from the end, so that places before it stay
        (row, begin), (_, end) = token.start, token.end
        line = lines[row - 1]
        words = _as_written(token.string, translate(cell, _words(token.string)))
        lines[row - 1] = f"{line[:begin]}{words}{line[end:]}"
    return "".join(lines)


def _prose(source: str) -> list[tokenize.TokenInfo]:
    """The comments, and the first text of each ``verify()``; none of a cell that is no Python by itself."""
    try:
        ast.parse(source)
    except SyntaxError:  # a magic of IPython's
        return []
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    found, before = [], ["", ""]
    for token in tokens:
        stated = token.type == tokenize.STRING and before == ["verify", "("]
        if token.type == tokenize.COMMENT or stated:
            found.append(token)
        if token.type not in (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.COMMENT):
            before = [before[1], token.string]
    return found


def _words(token: str) -> str:
    return token.lstrip("# ") if token.startswith("#") else token[1:-1]


def _as_written(token: str, words: str) -> str:
    return f"# {words}" if token.startswith("#") else f"{token[0]}{words}{token[-1]}"
