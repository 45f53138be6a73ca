"""The live figure of the split panel: shares against weights on the left, each answer on the right.

It has the same few traces from beginning to end; a look is one batch of new values for them, so the
browser gets one message and draws once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd
import plotly.graph_objects as go

from labkit.traffic.split import Split
from labkit.views.theme import ERROR, INK, colour_of, layout

SERVICES = ("ServiceB", "ServiceC")
_ROWS = {"error": 0, "ServiceC": 1, "ServiceB": 2}
_INSIDE = ("404 Not Found", "502 Bad Gateway", "503 Service Unavailable", "I/O error")
_LEFT, _RIGHT = 0.27, 0.4

Shown = tuple[float, str, bool]
"""Seconds since the panel was made, who answered, whether the answer tells of an error."""


def who_answered(rows: pd.DataFrame) -> Iterator[Shown]:
    """Each of *rows* as (seconds since the epoch, service or ``error``, error told in the text)."""
    seconds = rows["time"].astype("int64") / 1e6
    for at, status, service, body in zip(seconds, rows["status"], rows["service"], rows["body"], strict=True):
        fine = not pd.isna(status) and status < 400 and service in SERVICES
        yield float(at), str(service) if fine else "error", any(word in str(body) for word in _INSIDE)


class SplitFigure:
    """``widget`` is plotly's FigureWidget."""

    def __init__(self, window: float, split: Split) -> None:
        self._window = window
        self.widget = go.Figure(data=_traces(), layout=_layout())
        self.show(window, [], [], split)
        # Only now: a widget whose page is still loading must not be sent updates.
        self.widget = go.FigureWidget(self.widget)

    def show(self, now: float, answers: Sequence[Shown], changes: Sequence[float], split: Split) -> None:
        """Draw the *window* that ends *now*."""
        share, weight, *rows, moments = self.widget.data
        by_name = {one.name: one for one in split.shares}
        ordered = [by_name[name] for name in SERVICES if name in by_name]
        with self.widget.batch_update():
            share.y = [round(100 * one.share, 1) for one in ordered]
            share.error_y.array = [round(100 * (one.high - one.share), 1) for one in ordered]
            share.error_y.arrayminus = [round(100 * (one.share - one.low), 1) for one in ordered]
            share.text = [f"{one.count}" for one in ordered]
            weight.y = [round(100 * (one.weight or 0.0), 1) for one in ordered]
            for trace, name in zip(rows, _ROWS, strict=True):
                mine = [(at, failed) for at, who, failed in answers if who == name]
                trace.x = [round(at, 2) for at, _ in mine]
                trace.y = [_ROWS[name]] * len(mine)
                trace.marker.symbol = [_symbol(name, failed) for _, failed in mine]
            seen = [at for at in changes if at > max(0.0, now - self._window)]
            moments.x = [x for at in seen for x in (round(at, 2), round(at, 2), None)]
            moments.y = [-0.5, 2.5, None] * len(seen)
            self.widget.layout.xaxis2.range = [round(now - self._window, 1), round(now, 1)]


def _symbol(name: str, failed: bool) -> str:
    return "x" if name == "error" else "x-thin-open" if failed else "line-ns-open"


def _traces() -> list[go.Bar | go.Scatter]:
    colours = [colour_of(name) for name in SERVICES]
    spread = {"type": "data", "symmetric": False, "array": [0, 0], "arrayminus": [0, 0], "color": INK}
    share = go.Bar(
        x=list(SERVICES),
        y=[0, 0],
        marker={"color": colours},
        error_y=spread,
        name="observed",
        textposition="none",
    )
    weight = go.Scatter(
        x=list(SERVICES),
        y=[0, 0],
        mode="markers",
        marker={"symbol": "circle", "size": 11, "color": INK},
        name="weight",
    )
    rows = [
        go.Scatter(
            x=[],
            y=[],
            xaxis="x2",
            yaxis="y2",
            mode="markers",
            marker={"size": 10, "color": ERROR if name == "error" else colour_of(name)},
            name=name,
            hovertemplate=f"{name} at %{{x}} s<extra></extra>",
        )
        for name in _ROWS
    ]
    style = {"color": INK, "dash": "dot", "width": 1}
    moments = go.Scatter(x=[], y=[], xaxis="x2", yaxis="y2", mode="lines", line=style, name="weights changed")
    return [share, weight, *rows, moments]


def _layout() -> dict[str, object]:
    right = layout("", "seconds (× : the answer tells of an error)", "")
    return layout(
        "Asked for (●) and observed, with the 95 % interval",
        "",
        "of the requests, %",
        width=860,
        xaxis={"domain": [0, _LEFT]},
        yaxis={"range": [-4, 104]},
        xaxis2={**right["xaxis"], "domain": [_RIGHT, 1], "anchor": "y2"},
        yaxis2={
            **right["yaxis"],
            "anchor": "x2",
            "range": [-0.6, 2.6],
            "tickvals": list(_ROWS.values()),
            "ticktext": list(_ROWS),
        },
        showlegend=False,
    )
