"""What pages of reports have in common: the frame, the style, and how marks, times and tables look.

The page forbids itself (by its Content-Security-Policy) to run or to fetch anything.
"""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Iterable, Sequence

from labkit.language import gettext, spoken
from labkit.markup import coded

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #57606a; --ground: #ffffff; --card: #f6f8fa;
  --line: #d0d7de; --good: #00694d; --bad: #a33c00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #a5b0bc; --ground: #0d1117;
  --card: #161b22; --line: #3d444d; --good: #35d0a0; --bad: #ff9b5e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, "DejaVu Sans", Verdana, Arial, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; } h2 { font-size: 1.25rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; font-size: .95rem; }
caption { text-align: left; color: var(--soft); padding-bottom: .25rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } dt { font-weight: 600; } dd { margin: 0 0 .3rem; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; margin: .5rem 0; }
section { border-top: 1px solid var(--line); } .wide { overflow-x: auto; }
.good { color: var(--good); } .bad { color: var(--bad); } .soft { color: var(--soft); }
.mark { font-weight: 700; } ul { padding-left: 1.2rem; margin: .25rem 0; } li { overflow-wrap: anywhere; }
summary { cursor: pointer; } details { margin: .25rem 0; } a { color: inherit; }
.mark, .attempts { white-space: nowrap; } img { max-width: 100%; height: auto; }
footer { margin-top: 2rem; font-size: .9rem; color: var(--soft); }
@media print { body { max-width: none; padding: 0; font-size: 11pt; } .wide { overflow: visible; }
  section, figure, tr { break-inside: avoid; } h2, h3 { break-after: avoid; }
  :root { --ink: #000; --soft: #444; --ground: #fff; --line: #999; --good: #00694d; --bad: #a33c00; } }
"""


def page(title: str, body: Iterable[str], slots: str = "") -> str:
    """The whole page, in the language that is spoken."""
    return (
        f'<!DOCTYPE html>\n<html lang="{spoken()}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + f"\n{slots}\n</body>\n</html>\n"
    )


def text(value: object) -> str:
    """*value* as HTML that shows it."""
    return html.escape(str(value))


def said(words: object) -> str:
    """*words* of the lab as HTML; what stands in `backticks` as code."""
    return coded(str(words))


def mark(good: bool, words: str = "") -> str:
    """✓ or ✗ and a word: a colour, or a sign, never stands alone."""
    sign, colour = ("✓", "good") if good else ("✗", "bad")
    word = words or (gettext("holds") if good else gettext("does not hold"))
    return f'<span class="{colour}"><span class="mark" aria-hidden="true">{sign}</span> {text(word)}</span>'


def moment(time: str | None) -> str:
    """A time of a record, to the minute; a dash where there is none."""
    try:
        found = dt.datetime.fromisoformat(time) if time else None
    except ValueError:
        found = None
    if found is None:
        return "–"
    return f'<time datetime="{text(time)}">{found:%Y-%m-%d %H:%M}</time>'


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of HTML cells; the first of a row is its head."""
    top = "".join(f'<th scope="col">{text(head)}</th>' for head in heads)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    return (
        f'<div class="wide"><table><caption>{text(caption)}</caption><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Terms and what they are, as HTML."""
    return f"<dl>{''.join(f'<dt>{text(term)}</dt><dd>{what}</dd>' for term, what in pairs)}</dl>"


def section(name: str, title: str, parts: Iterable[str]) -> str:
    """A part of the page under a heading."""
    return (
        f'<section aria-labelledby="{name}"><h2 id="{name}">{text(title)}</h2>\n'
        + "\n".join(parts)
        + "</section>"
    )
