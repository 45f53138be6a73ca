"""The whole course of a gradual shift: the share of each destination over time, and the weights.

Below the shares: errors as marks, the moments of change as the steps of the line of weights.
"""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from labkit.language import gettext
from labkit.markup import BAD, verdict
from labkit.release.copies import COPIES
from labkit.release.course import Shift, Step
from labkit.release.health import Health
from labkit.views.figures import ABOVE
from labkit.views.picture import Picture
from labkit.views.theme import ERROR, INK, colour_of, layout
from labkit.views.units import milliseconds

_BIN = "500ms"
_CELL = "text-align:left;padding:3px clamp(3px,1.2vw - 9px,12px);vertical-align:top"
"""Seven columns have to fit beside JupyterLab's list of files on a small screen."""


class Course:
    """A shift that shows itself as its verdict, its table and its picture."""

    def __init__(self, shift: Shift) -> None:
        self.shift = shift

    @property
    def succeeded(self) -> bool:
        """Whether every limit was kept."""
        return self.shift.succeeded

    @property
    def reason(self) -> str | None:
        """Why it was rolled back; None where it came through."""
        return self.shift.reason

    @property
    def table(self) -> pd.DataFrame:
        """One row a step and destination."""
        return self.shift.table

    def plot(self) -> Picture:
        """The picture of the whole course."""
        return plot_shift(self.shift)

    def __repr__(self) -> str:
        return f"{self.table.to_string(index=False)}\n{self.shift.verdict}"

    def _ipython_display_(self) -> None:
        from IPython.display import display

        words = {"text/html": as_html(self.shift), "text/plain": repr(self)}
        display(words, raw=True)  # type: ignore[no-untyped-call]
        display(self.plot())  # type: ignore[no-untyped-call]


def as_html(shift: Shift) -> str:
    """The verdict, and the table: a block of rows for each step, one row a destination."""
    told = verdict(shift.verdict, good=not shift.reason)
    heads = "".join(f'<th style="{_CELL}">{head}</th>' for head in _heads(shift))
    return f"{told}<table><thead><tr>{heads}</tr></thead>{''.join(map(_block, shift.steps))}</table>"


def _heads(shift: Shift) -> list[str]:
    return [
        gettext("weight of {to}", to=shift.to),
        gettext("acknowledged"),
        gettext("destination"),
        gettext("requests"),
        gettext("errors"),
        gettext("half within"),
        gettext("95 % within"),
    ]


def _block(step: Step) -> str:
    span = max(1, len(step.all_health))
    mark = f'<b style="color:{BAD}">✗</b> ' if step.reason else ""
    copies = "" if step.mirrored is None else gettext("{percent:g} % mirrored", percent=step.mirrored)
    mirrored = f"<br>{copies}" if copies else ""
    weight = f'<b style="white-space:nowrap">{step.weight} %</b>'
    first = (
        f'<td rowspan="{span}" style="{_CELL}">{mark}{weight}{mirrored}</td>'
        f'<td rowspan="{span}" style="{_CELL}">{milliseconds(round(step.acknowledged_ms))}</td>'
    )
    nothing = gettext("no answer")
    rows = [_row(one) for one in step.all_health] or [f'<td colspan="5" style="{_CELL}">{nothing}</td>']
    joined = "</tr><tr>".join([first + rows[0], *rows[1:]])
    return f'<tbody style="border-top:1px solid var(--jp-border-color2,#ccc)"><tr>{joined}</tr></tbody>'


def _row(one: Health) -> str:
    """One destination's cells; a dash where it had nothing to do."""
    colour = colour_of(one.destination.removesuffix(COPIES))
    swatch = f'<span style="color:{colour}">■</span> {one.destination}'
    style = "white-space:nowrap" + (f";color:{BAD};font-weight:600" if one.errors else "")
    seen = ["–"] * 4
    if one.requests:
        share = f" ({100 * one.error_rate:.0f} %)" if one.errors else ""
        errors = f'<span style="{style}">{one.errors}{share}</span>'
        seen = [str(one.requests), errors, milliseconds(one.p50_ms), milliseconds(one.p95_ms)]
    return "".join(f'<td style="{_CELL}">{text}</td>' for text in (swatch, *seen))


def plot_shift(shift: Shift) -> Picture:
    """Shares over time, half a second each; the weight as a line; errors as crosses."""
    figure = go.Figure()
    answers = shift.answers
    if len(answers):
        start = answers["time"].min()
        _add_share(figure, shift, start)
        _add_weights(figure, shift, start)
        _add_errors(figure, shift, start)
        _add_copied(figure, shift, start)
    title = f"{shift.to}: " + (gettext("rolled back") if shift.reason else gettext("step by step"))
    figure.update_layout(
        layout(
            title,
            gettext("seconds since the first request"),
            gettext("of the requests, %"),
            yaxis={"range": [-4, 104]},
            legend=ABOVE,
        )
    )
    return Picture(figure, shift.verdict)


def _add_share(figure: go.Figure, shift: Shift, start: pd.Timestamp) -> None:
    by_answers = shift.to in set(shift.answers["service"].dropna())
    at, shares = _shares_by_answers(shift, start) if by_answers else _shares_by_steps(shift, start)
    figure.add_scatter(
        x=at,
        y=shares,
        mode="markers",
        marker={"color": colour_of(shift.to), "size": 7},
        name=gettext("share observed"),
    )


def _shares_by_answers(shift: Shift, start: pd.Timestamp) -> tuple[list[float], list[float]]:
    answers = shift.answers
    mine = (answers["service"].astype("str") == shift.to).where(answers["service"].notna())
    shares = mine.astype("float64").groupby(answers["time"].dt.floor(_BIN)).mean().dropna()
    seconds = [max(0.0, round((time - start).total_seconds(), 2)) for time in shares.index]
    return seconds, (100 * shares).round(1).tolist()


def _shares_by_steps(shift: Shift, start: pd.Timestamp) -> tuple[list[float], list[float]]:
    """Answers do not say who gave them: a point in the middle of each step, by the logs."""
    ends = [*(step.at for step in shift.steps[1:]), shift.rolled_back_at]
    last = float(shift.answers["time"].max().timestamp())
    found = []
    for step, end in zip(shift.steps, ends, strict=True):
        total = sum(one.requests for one in step.health)
        mine = sum(one.requests for one in step.health if one.destination == shift.to)
        if total:
            middle = (step.at + (end or max(last, step.at))) / 2 - start.timestamp()
            found.append((round(middle, 2), round(100 * mine / total, 1)))
    return [at for at, _ in found], [share for _, share in found]


def _add_weights(figure: go.Figure, shift: Shift, start: pd.Timestamp) -> None:
    moments = [(start.timestamp(), shift.before[shift.to])]
    moments += [(step.at, step.weight) for step in shift.steps]
    if shift.rolled_back_at:
        moments.append((shift.rolled_back_at, shift.before[shift.to]))
    end = max(moments[-1][0], shift.answers["time"].max().timestamp())
    moments.append((end, moments[-1][1]))
    figure.add_scatter(
        x=[max(0.0, round(at - start.timestamp(), 2)) for at, _ in moments],
        y=[weight for _, weight in moments],
        mode="lines",
        line={"shape": "hv", "color": INK},
        name=gettext("weight"),
    )


def _add_errors(figure: go.Figure, shift: Shift, start: pd.Timestamp) -> None:
    seen = [(step.at, one) for step in shift.steps for one in step.all_health if one.errors]
    if seen:
        figure.add_scatter(
            x=[round(at - start.timestamp(), 2) for at, _ in seen],
            y=[round(100 * one.error_rate, 1) for _, one in seen],
            mode="markers",
            marker={"symbol": "x", "size": 10, "color": ERROR},
            name=gettext("error rate"),
        )


def _add_copied(figure: go.Figure, shift: Shift, start: pd.Timestamp) -> None:
    """The share that was copied, from the copies' beginning to the first weight, or to the end."""
    ends = [*(step.at for step in shift.steps), shift.rolled_back_at]
    for step, end in zip(shift.steps, ends[1:], strict=True):
        if step.mirrored is not None and end is not None:
            figure.add_scatter(
                x=[round(at - start.timestamp(), 2) for at in (step.at, end)],
                y=[step.mirrored] * 2,
                mode="lines",
                line={"color": colour_of(shift.to), "width": 5},
                opacity=0.5,
                name=gettext("copied"),
            )
