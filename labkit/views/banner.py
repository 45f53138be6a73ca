"""Where one stands, in words and as HTML: made of progress and findings, with no widget in it.

A colour never stands alone: a mark and a word say the same. Colours of text and lines are JupyterLab's
own where it has them, so both its themes are readable.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

from labkit.language import gettext, gettext_noop, ngettext
from labkit.markup import CODE, GOOD, HERE, SOFT, card, coded
from labkit.scenario.progress import Mark, Piece, Progress, State
from labkit.views.theme import CHANGED

MARKS = {
    Mark.DONE: ("✓", GOOD),
    Mark.CHANGED: ("≠", CHANGED),
    Mark.HERE: ("●", HERE),
    Mark.PARTLY: ("◐", CHANGED),
    Mark.TO_COME: ("○", "inherit"),
}
STATES = {
    State.APPLIED: ("✓", gettext_noop("applied"), GOOD),
    State.CHANGED: ("≠", gettext_noop("changed"), CHANGED),
    State.EARLIER: ("○", gettext_noop("not yet"), "inherit"),
    State.MISSING: ("○", gettext_noop("missing"), "inherit"),
}

_MOST = 5


# ------------------------------------------------------------------------------------------- sentences


def title(number: int, progress: Progress) -> str:
    """``Step 3 of 6: Half of the customers get the new catalogue``."""
    scenario = progress.scenario
    return gettext(
        "Step {number} of {count}: {title}",
        number=number,
        count=len(scenario.steps) - 1,
        title=scenario.said(scenario.find_step(number).title),
    )


def where(number: int, progress: Progress) -> str:
    """One sentence: how the cluster stands to this step."""
    here, missing = progress.here, progress.missing(number)
    if here < number:
        before = [str(n) for n in range(here, number) if progress.missing(n)]
        return ngettext(
            "Not ready for this step yet: something of step {steps} is missing.",
            "Not ready for this step yet: something of steps {steps} is missing.",
            len(before),
            steps=gettext(" and ").join(filter(None, [", ".join(before[:-1]), before[-1]])),
        )
    if missing:
        total = len(progress.pieces[number])
        there = total - len(missing)
        if not there:
            return gettext("You are here: this step begins here.")
        return ngettext(
            "You are here: {number} of {total} pieces is there.",
            "You are here: {number} of {total} pieces are there.",
            there,
            total=total,
        )
    if progress.mark(number) is Mark.CHANGED:
        return gettext("All of this step is there, and something is not as its manifest says.")
    if here > number + 1:
        if here == len(progress.scenario.steps):
            return gettext("This step is done; the cluster is further, at the end of the book.")
        return gettext("This step is done; the cluster is further, at step {step}.", step=here)
    return gettext("This step is done.")


def following(number: int, progress: Progress) -> str:
    """What to do next."""
    if progress.here < number:
        return gettext("Press “Bring me here”, or run `lab.goto({number})`", number=number)
    missing = progress.missing(number)
    if not missing:
        return gettext("Press “Check”, or run `lab.check({number})`", number=number)
    if not missing[0].file:
        return gettext("Next: install Istio's part as this notebook shows")
    return gettext('Next: `lab.apply("{file}")`', file=missing[0].file)


def gaps(number: int, progress: Progress) -> list[tuple[int, Piece]]:
    """What earlier steps lack, by step; where that is much, one line a step."""
    found = [(n, piece) for n in range(number) for piece in progress.missing(n)]
    if len(found) <= _MOST:
        return found
    counts = {n: len(progress.missing(n)) for n, _ in found}
    return [
        (n, Piece(ngettext("{number} piece", "{number} pieces", count), State.MISSING))
        for n, count in counts.items()
    ]


# ------------------------------------------------------------------------------------------------ text


def text(number: int, progress: Progress) -> str:
    """The banner in plain text."""
    marks = [(n, progress.mark(n)) for n in range(len(progress.scenario.steps))]
    lines = [
        title(number, progress),
        "   ".join(f"{n} {MARKS[mark][0]} {gettext(mark.value)}" for n, mark in marks),
        where(number, progress),
    ]
    lines += [
        "  " + gettext("of step {step}: {piece}", step=n, piece=_line(piece))
        for n, piece in gaps(number, progress)
    ]
    lines += [f"  {_line(piece)}" for piece in progress.pieces[number]]
    return "\n".join([*lines, following(number, progress) + "."])


def _line(piece: Piece) -> str:
    mark, word, _ = STATES[piece.state]
    note = f" ({piece.note})" if piece.note else ""
    return f"{mark} {gettext(word)}: {piece.title}{note}"


# ------------------------------------------------------------------------------------------------ HTML


def banner(number: int, progress: Progress) -> str:
    """The banner as HTML."""
    pieces = [(None, piece) for piece in progress.pieces[number]]
    return card(
        f'<div style="font-size:1.15em;font-weight:600">{html.escape(title(number, progress))}</div>',
        _row_of_marks(number, progress),
        f"<div>{html.escape(where(number, progress))}</div>",
        _pieces([*gaps(number, progress), *pieces]),
        f'<div style="{SOFT}">{coded(following(number, progress))}.</div>',
    )


def _row_of_marks(number: int, progress: Progress) -> str:
    steps = gettext("The steps")
    marks = "".join(_mark(n, progress, this=n == number) for n in range(len(progress.scenario.steps)))
    return f'<div role="list" aria-label="{steps}" style="margin:8px 0">{marks}</div>'


def _mark(number: int, progress: Progress, *, this: bool) -> str:
    mark, scenario = progress.mark(number), progress.scenario
    sign, colour = MARKS[mark]
    line = f"2px solid {HERE}" if this else "1px solid var(--jp-border-color2,#ccc)"
    weight = "600" if this else "400"
    name, where_it_stands = html.escape(scenario.said(scenario.find_step(number).title)), gettext(mark.value)
    label = gettext("Step {number}, {title}: {mark}", number=number, title=name, mark=where_it_stands)
    return (
        f'<span role="listitem" title="{name}" aria-label="{label}" '
        f'style="display:inline-block;min-width:4.6em;margin:0 4px 4px 0;padding:2px 6px;text-align:center;'
        f'border:{line};border-radius:4px;font-weight:{weight};white-space:nowrap">'
        f'{number} <span style="color:{colour};font-weight:700">{sign}</span> '
        f'<span style="font-size:.88em">{where_it_stands}</span></span> '
    )


def _pieces(pieces: Iterable[tuple[int | None, Piece]]) -> str:
    return f'<div role="list" style="margin:6px 0">{"".join(_piece(n, piece) for n, piece in pieces)}</div>'


def _piece(of: int | None, piece: Piece) -> str:
    mark, word, colour = STATES[piece.state]
    of_step = gettext("of step {step}", step=of)
    step = f'<span style="{SOFT}"> {of_step}</span>' if of is not None else ""
    note = f'<span style="{SOFT}"> — {html.escape(piece.note)}</span>' if piece.note else ""
    return (
        f'<div role="listitem"><span style="display:inline-block;min-width:5.6em">'
        f'<b style="color:{colour}">{mark}</b> {gettext(word)}</span> '
        f'<span style="{CODE}">{html.escape(piece.title)}</span>{step}{note}</div>'
    )
