"""Where one stands, in words and as HTML: made of progress and findings, with no widget in it.

A colour never stands alone: a mark and a word say the same. Colours of text and lines are JupyterLab's
own where it has them, so both its themes are readable.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

from labkit.markup import CODE, GOOD, HERE, SOFT, card, coded
from labkit.scenario.progress import Mark, Piece, Progress, State
from labkit.scenario.steps import STEPS, find_step
from labkit.views.theme import CHANGED

MARKS = {
    Mark.DONE: ("✓", GOOD),
    Mark.CHANGED: ("≠", CHANGED),
    Mark.HERE: ("●", HERE),
    Mark.PARTLY: ("◐", CHANGED),
    Mark.TO_COME: ("○", "inherit"),
}
STATES = {
    State.APPLIED: ("✓", "applied", GOOD),
    State.CHANGED: ("≠", "changed", CHANGED),
    State.EARLIER: ("○", "not yet", "inherit"),
    State.MISSING: ("○", "missing", "inherit"),
}

_MOST = 5


# ------------------------------------------------------------------------------------------- sentences


def title(number: int) -> str:
    """``Step 3 of 6: Split between ServiceB and ServiceC``."""
    return f"Step {number} of {len(STEPS) - 1}: {find_step(number).title}"


def where(number: int, progress: Progress) -> str:
    """One sentence: how the cluster stands to this step."""
    here, missing = progress.here, progress.missing(number)
    if here < number:
        before = [str(n) for n in range(here, number) if progress.missing(n)]
        of = f"steps {', '.join(before[:-1])} and {before[-1]}" if len(before) > 1 else f"step {before[0]}"
        return f"Not ready for this step yet: something of {of} is missing."
    if missing:
        total = len(progress.pieces[number])
        there = total - len(missing)
        count = f"{there} of {total} pieces {'is' if there == 1 else 'are'} there"
        return f"You are here: {count if there else 'this step begins here'}."
    if progress.mark(number) is Mark.CHANGED:
        return "All of this step is there, and something is not as its manifest says."
    if here > number + 1:
        return f"This step is done; the cluster is further, at {_end_or_step(here)}."
    return "This step is done."


def _end_or_step(here: int) -> str:
    return f"step {here}" if here < len(STEPS) else "the end of the book"


def following(number: int, progress: Progress) -> str:
    """What to do next."""
    if progress.here < number:
        return f"Press “Bring me here”, or run `lab.goto({number})`"
    missing = progress.missing(number)
    if not missing:
        return f"Press “Check”, or run `lab.check({number})`"
    if not missing[0].file:
        return "Next: install Istio's part as this notebook shows"
    return f'Next: `lab.apply("{missing[0].file}")`'


def gaps(number: int, progress: Progress) -> list[tuple[int, Piece]]:
    """What earlier steps lack, by step; where that is much, one line a step."""
    found = [(n, piece) for n in range(number) for piece in progress.missing(n)]
    if len(found) <= _MOST:
        return found
    counts = {n: len(progress.missing(n)) for n, _ in found}
    return [(n, Piece(f"{count} piece{'s' * (count > 1)}", State.MISSING)) for n, count in counts.items()]


# ------------------------------------------------------------------------------------------------ text


def text(number: int, progress: Progress) -> str:
    """The banner in plain text."""
    marks = [(n, progress.mark(n)) for n in range(len(STEPS))]
    lines = [
        title(number),
        "   ".join(f"{n} {MARKS[mark][0]} {mark.value}" for n, mark in marks),
        where(number, progress),
    ]
    lines += [f"  of step {n}: {_line(piece)}" for n, piece in gaps(number, progress)]
    lines += [f"  {_line(piece)}" for piece in progress.pieces[number]]
    return "\n".join([*lines, following(number, progress) + "."])


def _line(piece: Piece) -> str:
    mark, word, _ = STATES[piece.state]
    note = f" ({piece.note})" if piece.note else ""
    return f"{mark} {word}: {piece.title}{note}"


# ------------------------------------------------------------------------------------------------ HTML


def banner(number: int, progress: Progress) -> str:
    """The banner as HTML."""
    pieces = [(None, piece) for piece in progress.pieces[number]]
    return card(
        f'<div style="font-size:1.15em;font-weight:600">{html.escape(title(number))}</div>',
        _row_of_marks(number, progress),
        f"<div>{html.escape(where(number, progress))}</div>",
        _pieces([*gaps(number, progress), *pieces]),
        f'<div style="{SOFT}">{coded(following(number, progress))}.</div>',
    )


def _row_of_marks(number: int, progress: Progress) -> str:
    marks = "".join(_mark(n, progress.mark(n), this=n == number) for n in range(len(STEPS)))
    return f'<div role="list" aria-label="The steps" style="margin:8px 0">{marks}</div>'


def _mark(number: int, mark: Mark, *, this: bool) -> str:
    sign, colour = MARKS[mark]
    line = f"2px solid {HERE}" if this else "1px solid var(--jp-border-color2,#ccc)"
    weight = "600" if this else "400"
    name = html.escape(find_step(number).title)
    return (
        f'<span role="listitem" title="{name}" aria-label="Step {number}, {name}: {mark.value}" '
        f'style="display:inline-block;min-width:4.6em;margin:0 4px 4px 0;padding:2px 6px;text-align:center;'
        f'border:{line};border-radius:4px;font-weight:{weight};white-space:nowrap">'
        f'{number} <span style="color:{colour};font-weight:700">{sign}</span> '
        f'<span style="font-size:.88em">{mark.value}</span></span> '
    )


def _pieces(pieces: Iterable[tuple[int | None, Piece]]) -> str:
    return f'<div role="list" style="margin:6px 0">{"".join(_piece(n, piece) for n, piece in pieces)}</div>'


def _piece(of: int | None, piece: Piece) -> str:
    mark, word, colour = STATES[piece.state]
    step = f'<span style="{SOFT}"> of step {of}</span>' if of is not None else ""
    note = f'<span style="{SOFT}"> — {html.escape(piece.note)}</span>' if piece.note else ""
    return (
        f'<div role="listitem"><span style="display:inline-block;min-width:5.6em">'
        f'<b style="color:{colour}">{mark}</b> {word}</span> '
        f'<span style="{CODE}">{html.escape(piece.title)}</span>{step}{note}</div>'
    )
