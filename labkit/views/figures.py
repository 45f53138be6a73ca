"""The house figures: shares against weights, answers over time, how long they took.

Each says one thing, has its axes named with units, and takes its colours from the theme.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from labkit.language import gettext, gettext_noop, ngettext
from labkit.traffic.split import Split
from labkit.views.picture import Picture
from labkit.views.theme import ERROR, INK, colour_of, height_of, layout

_MOST_POINTS = 2000
_NOBODY = gettext_noop("error")


WEIGHT = {"symbol": "diamond", "size": 12, "color": "white", "line": {"color": INK, "width": 2}}
"""White inside, so that it is seen on a bar and beside it."""
ABOVE = {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.0, "yanchor": "bottom"}
"""A legend beside the title."""


def plot_split(split: Split, title: str = "", colours: Mapping[str, str] | None = None) -> Picture:
    """A bar per destination with its exact 95 % interval; a diamond where the weight would have it.

    colours: name → colour; by default those of the course's services.
    """
    title = title or gettext("Who answered")
    figure = go.Figure(_observed(split, colours or {}))
    weighed = [share for share in split.shares if share.weight is not None]
    if weighed:
        figure.add_scatter(
            y=[share.name for share in weighed],
            x=[round(100 * (share.weight or 0.0), 2) for share in weighed],
            mode="markers",
            marker=WEIGHT,
            name=gettext("weight"),
            hovertemplate=gettext("%{y}: weight %{x} %<extra></extra>"),
        )
    figure.update_layout(
        layout(
            ngettext("{title} ({number} request)", "{title} ({number} requests)", split.total, title=title),
            gettext("share of the requests, % (whiskers: 95 % interval)"),
            "",
            height=height_of(len(split.shares)),
            xaxis={"range": [0, 102]},
            yaxis={
                **_from_the_top(len(split.shares)),
                "tickvals": [share.name for share in split.shares],
                "ticktext": [f"{share.name}<br>{share.count}" for share in split.shares],
            },
            legend=ABOVE,
            showlegend=bool(weighed),
        )
    )
    return Picture(figure, f"{title}\n{split}")


def _observed(split: Split, colours: Mapping[str, str]) -> go.Bar:
    return go.Bar(
        y=[share.name for share in split.shares],
        x=[round(100 * share.share, 2) for share in split.shares],
        orientation="h",
        marker={"color": [colours.get(share.name) or colour_of(share.name) for share in split.shares]},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [round(100 * (share.high - share.share), 2) for share in split.shares],
            "arrayminus": [round(100 * (share.share - share.low), 2) for share in split.shares],
            "color": INK,
        },
        hovertemplate=gettext("%{y}: %{x} % observed<extra></extra>"),
        name=gettext("observed"),
        showlegend=False,
    )


def _from_the_top(rows: int) -> dict[str, list[float]]:
    """An axis of names, the first one on top."""
    return {"range": [max(rows, 1) - 0.5, -0.5]}


def plot_answers(answers: pd.DataFrame, title: str = "") -> Picture:
    """A mark per request over time, in a row per service; errors in a row and a colour of their own.

    A line where ``attrs`` of *answers* tell of something done ``halfway``.
    """
    title, shown = title or gettext("Each answer as it came"), _thinned(answers)
    seconds = (shown["time"] - answers["time"].min()).dt.total_seconds().round(4)
    who = _who(shown)
    figure = go.Figure()
    names = sorted(who.unique())
    for name in names:
        chosen = seconds[who == name]
        figure.add_scatter(
            x=chosen.tolist(),
            y=[name] * len(chosen),
            mode="markers",
            marker={"symbol": "line-ns-open", "size": 14, "color": _colour(name)},
            name=name,
            showlegend=False,
            hovertemplate=gettext("%{y} at %{x} s<extra></extra>"),
        )
    if changed := answers.attrs.get("halfway"):
        figure.add_trace(_moment((changed - answers["time"].min()).total_seconds(), names))
    more = {"height": height_of(len(names)), "yaxis": _from_the_top(len(names)), "legend": ABOVE}
    figure.update_layout(
        layout(_titled(title, answers, shown), gettext("seconds since the first request"), "", **more)
    )
    return Picture(figure, _counts(title, answers))


def _moment(at: float, names: list[str]) -> go.Scatter:
    """A line from the first row to the last."""
    return go.Scatter(
        x=[round(at, 4)] * 2,
        y=[names[0], names[-1]],
        mode="lines",
        line={"color": INK},
        name=gettext("changed"),
        showlegend=True,
        hovertemplate=gettext("changed at %{x} s<extra></extra>"),
    )


def plot_latency(answers: pd.DataFrame, title: str = "") -> Picture:
    """Per service, the share of answers that came within a time: the higher and the more left, the faster."""
    title, figure = title or gettext("How long the answers took"), go.Figure()
    answered = answers[answers["service"].notna()]
    for name, group in answered.groupby("service", observed=True):
        times = group["total_ms"].sort_values().reset_index(drop=True)
        share = (times.index + 1) / len(times) * 100
        keep = _evenly(len(times), 200)
        figure.add_scatter(
            x=times.iloc[keep].tolist(),
            y=share[keep].to_numpy().round(1).tolist(),
            mode="lines",
            line={"shape": "hv", "color": colour_of(str(name))},
            name=str(name),
        )
    figure.update_layout(
        layout(
            title,
            gettext("milliseconds"),
            gettext("answers within that time, %"),
            yaxis={"range": [0, 102]},
            legend=ABOVE,
        )
    )
    medians = answered.groupby("service", observed=True)["total_ms"].median().round(1)
    lines = [
        gettext("{name}: half within {median} ms", name=name, median=median)
        for name, median in medians.items()
    ]
    return Picture(figure, "\n".join([title, *lines]))


def _who(answers: pd.DataFrame) -> pd.Series[str]:
    """Who answered each request; errors apart."""
    return answers["service"].astype("str").fillna(gettext(_NOBODY))


def _colour(name: str) -> str:
    return ERROR if name == gettext(_NOBODY) else colour_of(name)


def _thinned(answers: pd.DataFrame) -> pd.DataFrame:
    """At most so many rows that a notebook stays small, evenly taken; errors are never left out."""
    if len(answers) <= _MOST_POINTS:
        return answers
    errors = answers[answers["service"].isna()]
    others = answers[answers["service"].notna()]
    return pd.concat([others.iloc[_evenly(len(others), _MOST_POINTS)], errors]).sort_index()


def _evenly(total: int, most: int) -> list[int]:
    if total <= most:
        return list(range(total))
    return [round(i * (total - 1) / (most - 1)) for i in range(most)]


def _titled(title: str, answers: pd.DataFrame, shown: pd.DataFrame) -> str:
    return (
        title
        if len(shown) == len(answers)
        else gettext("{title} ({count} of {total} shown)", title=title, count=len(shown), total=len(answers))
    )


def _counts(title: str, answers: pd.DataFrame) -> str:
    counts = _who(answers).value_counts()
    return "\n".join([title, *(f"{name}: {count}" for name, count in counts.items())])
