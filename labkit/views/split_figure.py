"""The live figure of the split panel: shares against weights on the left, each answer on the right.

It has the same few traces from beginning to end; a look is one batch of new values for them, so the
browser draws once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from labkit.traffic.failures import failed_answers
from labkit.traffic.split import Share, Split
from labkit.views.figures import WEIGHT
from labkit.views.live_figure import LiveFigure
from labkit.views.theme import ERROR, INK, colour_of, layout

SERVICES = ("ServiceB", "ServiceC")
_ROWS = {"error": 0, "ServiceC": 1, "ServiceB": 2}
_TOP = 2.5
_INSIDE = ("404 Not Found", "502 Bad Gateway", "503 Service Unavailable", "I/O error")
_LEFT, _RIGHT = 0.3, 0.42

Shown = tuple[float, str, bool]
"""Seconds since the panel was made, who answered, whether the answer tells of an error."""
Change = tuple[float, int]
"""Seconds since the panel was made, ServiceC's weight from then on."""


def who_answered(rows: pd.DataFrame) -> Iterator[Shown]:
    """Each of *rows* as (seconds since the epoch, service or ``error``, error told in the text)."""
    seconds = rows["time"].astype("int64") / 1e6
    seen = zip(seconds, failed_answers(rows), rows["service"], rows["body"], strict=True)
    for at, has_failed, service, body in seen:
        fine = not has_failed and service in SERVICES
        yield float(at), str(service) if fine else "error", any(word in str(body) for word in _INSIDE)


class SplitFigure:
    """``widget`` is plotly's FigureWidget."""

    def __init__(self, window: float, split: Split) -> None:
        self._window = window
        self.widget = LiveFigure(go.Figure(data=_traces(), layout=_layout()))
        self.show(window, [], [], split)

    def show(self, now: float, answers: Sequence[Shown], changes: Sequence[Change], split: Split) -> None:
        """Draw the *window* that ends *now*."""
        share, weight, *rows, moments, names = self.widget.data
        by_name = {one.name: one for one in split.shares}
        ordered = [by_name[name] for name in SERVICES if name in by_name]
        with self.widget.lock, self.widget.batch_update():
            share.y = [round(100 * one.share, 1) for one in ordered]
            share.error_y.visible = split.total > 0  # of nothing it would reach from 0 to 100
            share.error_y.array = [round(100 * (one.high - one.share), 1) for one in ordered]
            share.error_y.arrayminus = [round(100 * (one.share - one.low), 1) for one in ordered]
            share.text = [f"{one.count}" for one in ordered]
            weight.y = [round(100 * (one.weight or 0.0), 1) for one in ordered]
            for trace, name in zip(rows, _ROWS, strict=True):
                mine = [(at, failed) for at, who, failed in answers if who == name]
                trace.x = [round(at, 2) for at, _ in mine]
                trace.y = [_ROWS[name]] * len(mine)
                trace.marker.symbol = [_symbol(name, failed) for _, failed in mine]
            self._mark(moments, names, [one for one in changes if one[0] > max(0.0, now - self._window)])
            self.widget.layout.xaxis.ticktext = [_named(one, split) for one in ordered]
            self.widget.layout.xaxis2.range = [round(now - self._window, 1), round(now, 1)]

    def _mark(self, moments: Any, names: Any, changes: Sequence[Change]) -> None:
        """A dotted line where the weights changed, with ServiceC's new one."""
        moments.x = [x for at, _ in changes for x in (round(at, 2), round(at, 2), None)]
        moments.y = [-0.5, _TOP, None] * len(changes)
        names.x = [round(at, 2) for at, _ in changes]
        names.y = [_TOP] * len(changes)
        names.text = [f"C {c} %" for _, c in changes]


def _named(one: Share, split: Split) -> str:
    total = sum(split.counts.values())
    seen = f"{one.count} of {total}" if total else "no answer yet"
    return f"<b>{one.name}</b><br>{seen}"


def _symbol(name: str, failed: bool) -> str:
    return "x" if name == "error" else "x-thin-open" if failed else "line-ns-open"


def _traces() -> list[go.Bar | go.Scatter]:
    return [_observed(), _weights(), *map(_answers, _ROWS), _moments(), _names()]


def _observed() -> go.Bar:
    return go.Bar(
        x=list(SERVICES),
        y=[0, 0],
        width=0.55,
        marker={"color": [colour_of(name) for name in SERVICES]},
        error_y={"type": "data", "symmetric": False, "array": [0, 0], "arrayminus": [0, 0], "color": INK},
        name="observed",
        textposition="none",
        hovertemplate="%{x}: %{y} % observed<extra></extra>",
    )


def _weights() -> go.Scatter:
    return go.Scatter(
        x=list(SERVICES),
        y=[0, 0],
        mode="markers",
        marker=WEIGHT,
        name="weight",
        hovertemplate="%{x}: weight %{y} %<extra></extra>",
        cliponaxis=False,
    )


def _answers(name: str) -> go.Scatter:
    return go.Scatter(
        x=[],
        y=[],
        xaxis="x2",
        yaxis="y2",
        mode="markers",
        marker={"size": 11, "color": ERROR if name == "error" else colour_of(name)},
        name=name,
        hovertemplate=f"{name} at %{{x}} s<extra></extra>",
    )


def _moments() -> go.Scatter:
    style = {"color": INK, "dash": "dot", "width": 1}
    name = "weights changed"
    return go.Scatter(
        x=[], y=[], xaxis="x2", yaxis="y2", mode="lines", line=style, name=name, hoverinfo="skip"
    )


def _names() -> go.Scatter:
    """On top of the dotted lines. (As their own text, plotly loses some of them when points come and go.)"""
    font = {"size": 11, "color": INK}
    return go.Scatter(
        x=[],
        y=[],
        xaxis="x2",
        yaxis="y2",
        mode="text",
        textposition="top center",
        textfont=font,
        name="new weight",
        hoverinfo="skip",
    )


def _layout() -> dict[str, object]:
    right = layout("", "seconds", "")
    rows = {"range": [-0.6, 3.0], "tickvals": list(_ROWS.values()), "ticktext": list(_ROWS)}
    return layout(
        "",
        "",
        "of the requests, %",
        width=None,
        height=330,
        margin={"l": 55, "r": 15, "t": 48, "b": 50},
        xaxis={"domain": [0, _LEFT], "tickvals": list(SERVICES), "ticks": "outside", "ticklen": 8},
        yaxis={"range": [0, 104], "tickvals": [0, 25, 50, 75, 100]},
        xaxis2={**right["xaxis"], "domain": [_RIGHT, 1], "anchor": "y2"},
        yaxis2={**right["yaxis"], **rows, "anchor": "x2"},
        annotations=[
            _heading(0, "◇ weight, bar: observed<br>with its 95 % interval"),
            _heading(_RIGHT, "answers as they come<br>(×: tells of an error)"),
        ],
        showlegend=False,
    )


def _heading(x: float, text: str) -> dict[str, object]:
    place = {"x": x, "xref": "paper", "xanchor": "left", "y": 1.02, "yref": "paper", "yanchor": "bottom"}
    return {**place, "align": "left", "text": text, "showarrow": False, "font": {"size": 12, "color": INK}}
