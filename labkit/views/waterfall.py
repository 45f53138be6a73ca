"""One request's journey as a waterfall: a bar for each proxy it passed, as long as it took there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from labkit.language import gettext, gettext_noop, ngettext
from labkit.traffic.curl import Answer
from labkit.traffic.failures import line_failed
from labkit.views.picture import Picture, as_png, bare
from labkit.views.theme import ERROR, FAINT, INK, colour_of, layout
from labkit.views.units import milliseconds

TITLE = gettext_noop("The journey of one request (faint: waiting for what is further on)")
_SCALE = gettext_noop("milliseconds since it entered the mesh (access logs count in whole ones)")
_ROW, _FRAME = 30, 148
_SIDES = {"in": gettext_noop(", inbound"), "out": gettext_noop(", outbound")}


class Trace(Picture):
    """``table``: the hops, see :mod:`labkit.traffic.trace`. ``answer``: what came back."""

    def __init__(self, answer: Answer, table: pd.DataFrame, *, complete: bool = True) -> None:
        """complete: whether every line has come that was to be expected."""
        self.answer, self.table = answer, table
        super().__init__(_figure(table), _caption(table, complete=complete))

    def png(self) -> bytes:
        """The picture, still."""
        return _still(self.table)


def _hops(table: pd.DataFrame) -> list[Any]:
    """The rows, each with its columns as attributes."""
    return [SimpleNamespace(**{str(k): v for k, v in row.items()}) for row in table.to_dict("records")]


def _ms(value: Any) -> float:
    """A column's milliseconds; none where the log has none."""
    return 0.0 if pd.isna(value) else float(value)


def _caption(table: pd.DataFrame, *, complete: bool) -> str:
    if table.empty:
        return gettext(
            "No proxy has written a line about this request: is `accessLogFile` set in the mesh's config?"
        )
    passed = [name for n, name in enumerate(table["proxy"]) if n == 0 or name != table["proxy"].iloc[n - 1]]
    lines, proxies = ngettext("{number} line", "{number} lines", len(table)), _proxies(len(passed))
    words = [
        gettext(
            "{lines} {of_proxies} on the way: {passed}.",
            lines=lines,
            of_proxies=proxies,
            passed=" → ".join(passed),
        )
    ]
    for hop in _hops(table[table["meaning"] != ""]):
        flags = f" ({hop.flags})" if pd.notna(hop.flags) else ""
        words.append(
            gettext(
                "{proxy} answered {status}{flags}: {meaning}.",
                proxy=hop.proxy,
                status=hop.status,
                flags=flags,
                meaning=hop.meaning,
            )
        )
    if not complete:
        words += [
            gettext("{proxy} sent it on to {to}: no line of that has come yet.", proxy=hop.proxy, to=hop.to)
            for hop in _silent(table)
        ]
    return "\n".join(words)


def _proxies(number: int) -> str:
    return ngettext("of {number} proxy", "of {number} proxies", number)


def _silent(table: pd.DataFrame) -> list[Any]:
    return _hops(table[table["hop"].isin(table.attrs.get("unheard", []))])


def _figure(table: pd.DataFrame) -> go.Figure:
    """Solid where the time was the hop's own, faint where it waited for what is further on."""
    figure = go.Figure()
    for faint in (True, False):
        parts = [part for part in _parts(table) if part.faint == faint]
        figure.add_trace(_bars(table, parts, faint))
    figure.add_trace(_words(table))
    drawn = layout(_lines(TITLE, "<br>"), _lines(_SCALE, "<br>"), "", width=760, **_axes(table))
    drawn["margin"]["b"] += 24  # its axis says more than others do, and so does its title
    drawn["margin"]["t"] += 14
    drawn["title"]["pad"] = {"t": 24}
    figure.update_layout(drawn | {"height": _FRAME + _ROW * len(table), "barmode": "overlay", "bargap": 0.3})
    return figure


def _lines(message: str, end: str) -> str:
    """A *message* with its remark in brackets on a line of its own: names leave little room."""
    return f"{end}(".join(gettext(message).split(" (", 1))


def _axes(table: pd.DataFrame) -> dict[str, Any]:
    rows = {"tickvals": table["hop"].tolist(), "ticktext": [_label(hop) for hop in _hops(table)]}
    return {
        "xaxis": {"range": [0, 1.25 * _span(table)]},
        "yaxis": {"range": [len(table) + 0.6, 0.4], "showgrid": False, **rows},
    }


def _span(table: pd.DataFrame) -> float:
    ends = table["start_ms"] + table["duration_ms"].fillna(0).astype("float64")
    return max(float(ends.max()), 1.0) if len(table) else 1.0


def _label(hop: Any) -> str:
    return f"{hop.proxy}{gettext(_SIDES[hop.direction]) if hop.direction in _SIDES else ''}"


@dataclass(frozen=True)
class _Part:
    """A piece of a hop's time."""

    hop: int
    start: float
    length: float
    faint: bool


def _parts(table: pd.DataFrame) -> Iterator[_Part]:
    least = _span(table) / 150  # what took less than a millisecond is still to be seen
    for hop in _hops(table):
        at, end = hop.start_ms, hop.start_ms + _ms(hop.duration_ms)
        for inner in _hops(table[table["within"] == hop.hop]):
            start = min(max(inner.start_ms, at), end)
            stop = min(start + _ms(inner.duration_ms), end)
            yield _Part(hop.hop, at, max(start - at, least), faint=False)
            yield _Part(hop.hop, start, stop - start, faint=True)
            at = stop
        yield _Part(hop.hop, at, max(end - at, least), faint=False)


def _bars(table: pd.DataFrame, parts: Sequence[_Part], faint: bool) -> go.Bar:
    hops = {hop.hop: hop for hop in _hops(table)}
    return go.Bar(
        y=[part.hop for part in parts],
        x=[part.length for part in parts],
        base=[part.start for part in parts],
        orientation="h",
        width=0.62,
        marker={"color": [_colour(hops[part.hop]) for part in parts], "opacity": 0.3 if faint else 1.0},
        hovertext=[_hover(hops[part.hop]) for part in parts],
        hoverinfo="text",
        showlegend=False,
    )


def _words(table: pd.DataFrame) -> go.Scatter:
    """Beside each bar how long it is, and how it failed if it did."""
    ends = [hop.start_ms + _ms(hop.duration_ms) for hop in _hops(table)]
    return go.Scatter(
        x=[end + 0.012 * _span(table) for end in ends],
        y=table["hop"].tolist(),
        mode="text",
        text=[_took(hop) for hop in _hops(table)],
        textposition="middle right",
        textfont={"color": INK, "size": 12},
        hoverinfo="skip",
        showlegend=False,
    )


def _failed(hop: Any) -> bool:
    code, flags = (0 if pd.isna(hop.status) else int(hop.status)), ("" if pd.isna(hop.flags) else hop.flags)
    return line_failed(code, flags)


def _colour(hop: Any) -> str:
    return ERROR if _failed(hop) else colour_of(hop.proxy)


def _took(hop: Any) -> str:
    took = milliseconds(round(_ms(hop.duration_ms)))
    if not _failed(hop):
        return took
    return f"{took}  ✗ {hop.status}{f' {hop.flags}' if pd.notna(hop.flags) else ''}"


def _hover(hop: Any) -> str:
    own = "" if pd.isna(hop.own_ms) else gettext(", {own_ms} ms of it here", own_ms=hop.own_ms)
    why = f"<br>{hop.meaning}" if hop.meaning else ""
    status = gettext("status {status}", status=hop.status)
    return f"{hop.proxy} → {hop.to}<br>{_took(hop)}{own}<br>{status}{why}"


# ----------------------------------------------------------------------------------------------- still


def _still(table: pd.DataFrame) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    page = Figure(figsize=(7.6, (_FRAME + _ROW * len(table)) / 100), dpi=100, layout="constrained")
    FigureCanvasAgg(page)
    axes = page.add_subplot()
    hops = {hop.hop: hop for hop in _hops(table)}
    for part in _parts(table):
        alpha = 0.3 if part.faint else 1.0
        colour = _colour(hops[part.hop])
        axes.barh(part.hop, part.length, left=part.start, height=0.62, color=colour, alpha=alpha)
    for hop in hops.values():
        end = hop.start_ms + _ms(hop.duration_ms)
        axes.text(end + 0.012 * _span(table), hop.hop, _took(hop), va="center", fontsize=9, color=INK)
    axes.set_yticks(list(hops), [_label(hop) for hop in hops.values()], fontsize=9)
    axes.set_ylim(len(table) + 0.6, 0.4)
    axes.set_xlim(0, 1.25 * _span(table))
    axes.set_title(_lines(TITLE, "\n"), loc="left", fontsize=11, color=INK)
    axes.set_xlabel(_lines(_SCALE, "\n"), fontsize=9, color=INK)
    axes.tick_params(axis="x", labelsize=9)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    bare(axes, "top", "right", "left")
    return as_png(page)
