"""How the lesson looks as HTML: cards, findings, verdicts. One family, wherever it is shown.

A colour never stands alone: a mark and a word say the same. Colours of text and lines are JupyterLab's
own where it has them, so both its themes are readable.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Protocol

from labkit.language import gettext

GOOD, BAD, HERE = "#009E73", "#D55E00", "#56B4E9"
"""Of marks and edges: a service's green, the colour of errors, and the blue of what is about here."""
SOFT = "opacity:.75"
CODE = "font-family:var(--jp-code-font-family,monospace);font-size:.92em"
_TEXT = "line-height:1.45;color:var(--jp-ui-font-color1,inherit)"
_EDGE = "border-left:4px solid"


class Found(Protocol):
    """A promise, and what was seen."""

    @property
    def promise(self) -> str: ...
    @property
    def holds(self) -> bool: ...
    @property
    def seen(self) -> str: ...
    @property
    def hint(self) -> str: ...


def card(*parts: str) -> str:
    """*parts*, one below the other, in the house's frame."""
    style = f"border:1px solid var(--jp-border-color2,#ccc);{_EDGE} {HERE};border-radius:4px;padding:8px 14px"
    return f'<div style="{style};{_TEXT}">{"".join(parts)}</div>'


def verdict(words: str, *, good: bool) -> str:
    """A sentence that says how it ended; it has its mark already."""
    style = f"{_EDGE} {GOOD if good else BAD};padding:4px 10px;margin:6px 0"
    return f'<p style="{style}">{html.escape(words)}</p>'


def heading(words: str) -> str:
    """What a card is about."""
    return f'<div style="font-weight:600">{html.escape(words)}</div>'


def findings(found: Iterable[Found], *, evidence: bool = False) -> str:
    """What a check found, one below the other; with the hint where a promise does not hold.

    evidence: say what was seen also where it holds.
    """
    return close("".join(_finding(one, evidence=evidence) for one in found))


def lines(found: Iterable[str]) -> str:
    """Lines of HTML, one below the other."""
    return close("".join(f"<div>{line}</div>" for line in found))


def close(inside: str) -> str:
    """*inside*, a little to the right."""
    return f'<div style="{_TEXT};margin-left:1em">{inside}</div>'


def _finding(found: Found, *, evidence: bool) -> str:
    sign, colour, word = (
        ("✓", GOOD, gettext("holds")) if found.holds else ("✗", BAD, gettext("does not hold"))
    )
    told = [
        f'<div style="margin:3px 0"><b role="img" aria-label="{word}" style="color:{colour}">{sign}</b> '
        f"{html.escape(found.promise)}"
    ]
    if evidence or not found.holds:
        seen = html.escape(gettext("seen: {seen}", seen=found.seen))
        told.append(f'<div style="margin-left:1.4em;{SOFT}">{seen}</div>')
    if found.hint and not found.holds:
        hint = labelled(gettext("hint:"), found.hint)
        told.append(f'<div style="margin-left:1.4em">{hint}</div>')
    return "".join([*told, "</div>"])


def labelled(label: str, words: str) -> str:
    """*words* with a *label* before them that stands out."""
    return f"<b>{html.escape(label)}</b> {coded(words)}"


def coded(words: str) -> str:
    """*words* as HTML; what stands in `backticks` as code."""
    parts = html.escape(words, quote=False).split("`")
    return "".join(f'<code style="{CODE}">{p}</code>' if n % 2 else p for n, p in enumerate(parts))


# ----------------------------------------------------------------------------------- a transcript of curl

_TRANSCRIPT = (
    "margin:0;line-height:1.35;font-family:var(--jp-code-font-family, monospace);"
    "word-break:normal;overflow-wrap:anywhere"
)
_LINES = {
    "*": "opacity:.7",
    ">": "color:var(--jp-content-link-color,#0072B2)",
    "<": "color:var(--jp-success-color1,#007355)",
}
"""As JupyterLab's theme has them, so that both light and dark are readable."""


def transcript(command: str, said: Iterable[str], body: str) -> str:
    """What `curl -v` prints: the command, the lines *said* (by their first sign), and the answer's body."""
    told = "\n".join(f'<span style="{_LINES.get(one[:1], "")}">{html.escape(one)}</span>' for one in said)
    return f'<pre style="{_TRANSCRIPT}">$ {html.escape(command)}\n{told}\n<b>{html.escape(body)}</b></pre>'
