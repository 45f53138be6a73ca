"""A figure that shows itself everywhere: alive in JupyterLab, still on a code host's notebook viewer.

The bundle holds the interactive figure as small JSON (plain lists, which an older plotly.js reads and
a diff shows) and a PNG of the same traces. The PNG is drawn by matplotlib: plotly's own image export
needs a browser. Where a front end shows the figure at once, the PNG stays away: plotly's renderer for
JupyterLab would show it until the mouse comes by.
"""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from labkit.views.live import PLOTLY, Described, described, running_cell
from labkit.views.theme import ERROR, FAINT, INK, known_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_DPI = 100


class Picture:
    """A house figure. ``figure`` is the plotly figure, ``caption`` says in words what it shows."""

    def __init__(self, figure: go.Figure, caption: str) -> None:
        self.figure = figure
        self.caption = caption

    def __repr__(self) -> str:
        return self.caption

    def _repr_mimebundle_(self, **_: Any) -> Described:
        return described(self.bundle())

    def bundle(self) -> dict[str, Any]:
        """How it shows itself where it is: alive as wide as its cell, else still, too."""
        drawn = plain(self.figure)
        del drawn["layout"]["width"]
        drawn["layout"]["autosize"] = True
        bundle = {PLOTLY: drawn, "text/plain": self.caption}
        return bundle if running_cell() else {**bundle, "image/png": self.encoded()}

    def encoded(self) -> str:
        """:meth:`png` as a notebook keeps it."""
        return base64.b64encode(self.png()).decode()

    def png(self) -> bytes:
        """The picture, still."""
        return still(self.figure)


def plain(figure: go.Figure) -> dict[str, Any]:
    """*figure* as JSON values, without base64 arrays and without a template."""
    found: dict[str, Any] = json.loads(figure.to_json(engine="json"))
    found["data"] = [_without_bdata(trace) for trace in found["data"]]
    found["layout"].pop("template", None)
    found["layout"]["title"].update(x=0, xref="paper", xanchor="left")
    found["config"] = {"displayModeBar": False, "responsive": True}
    return found


def _without_bdata(value: Any) -> Any:
    if isinstance(value, dict):
        if "bdata" in value:
            return _numbers(value)
        return {key: _without_bdata(one) for key, one in value.items()}
    return value


def _numbers(packed: dict[str, Any]) -> list[float]:
    import numpy as np

    numbers: list[float] = np.frombuffer(base64.b64decode(packed["bdata"]), dtype=packed["dtype"]).tolist()
    return numbers


def still(figure: go.Figure) -> bytes:
    """A PNG of *figure*: its bars, points and lines, with their error bars."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    drawn = plain(figure)
    size = (drawn["layout"]["width"] / _DPI, drawn["layout"]["height"] / _DPI)
    page = Figure(figsize=size, dpi=_DPI, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08))
    FigureCanvasAgg(page)
    axes = page.add_subplot()
    for trace in drawn["data"]:
        _DRAW[trace["type"]](axes, trace)
    _dress(axes, drawn["layout"], legend=any(map(_label, drawn["data"])))
    return as_png(page)


def as_png(page: Figure) -> bytes:
    """What matplotlib drew, as a small file without a ground."""
    buffer = io.BytesIO()
    page.savefig(buffer, format="png", transparent=True)
    return _in_few_colours(buffer.getvalue())


def _in_few_colours(png: bytes) -> bytes:
    """The same picture with a palette: a quarter of the size.

    The house's colours stay what they are, however rare: a single error shall not look like a service's
    answer. Edges, which are half transparent, are the coarser.
    """
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        pixels = np.asarray(image.convert("RGBA")).copy()
    edges = pixels[..., 3] < 255
    pixels[edges] = pixels[edges] // 17 * 17
    pixels[pixels[..., 3] == 0] = 0
    colours, places, counts = np.unique(
        pixels.reshape(-1, 4), axis=0, return_inverse=True, return_counts=True
    )
    kept, nearest = _palette(colours.astype(int), counts)
    small = Image.fromarray(nearest[places.reshape(pixels.shape[:2])].astype(np.uint8), "P")
    small.putpalette(colours[kept][:, :3].tobytes())
    buffer = io.BytesIO()
    small.save(buffer, format="PNG", optimize=True, transparency=colours[kept][:, 3].tobytes())
    return buffer.getvalue()


def _palette(colours: NDArray[Any], counts: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Which 256 of *colours* are kept (the house's own, then the frequent), and the nearest to each."""
    import numpy as np

    own = {(*bytes.fromhex(each[1:]), 255) for each in (*known_colours().values(), ERROR)}
    is_other = np.array([tuple(each) not in own for each in colours.tolist()])
    order = np.lexsort((-counts, is_other))
    kept = order[:256]
    nearest = np.array([((colours[kept] - colour) ** 2).sum(axis=1).argmin() for colour in colours])
    return kept, nearest


def _bar(axes: Axes, trace: dict[str, Any]) -> None:
    error = trace.get("error_x") or trace.get("error_y")
    spread = [error["arrayminus"], error["array"]] if error else None
    style = {"color": trace["marker"]["color"], "label": _label(trace)}
    if trace.get("orientation") == "h":
        axes.barh(trace["y"], trace["x"], xerr=spread, capsize=4, ecolor=INK, **style)
    else:
        axes.bar(trace["x"], trace["y"], width=trace.get("width", 0.8), yerr=spread, ecolor=INK, **style)


def _scatter(axes: Axes, trace: dict[str, Any]) -> None:
    marker, line = trace.get("marker") or {}, trace.get("line") or {}
    colour = line.get("color") or marker.get("color") or INK
    style: dict[str, Any] = {"color": colour, "label": _label(trace)}
    if "lines" in trace.get("mode", "markers"):
        step: dict[str, Any] = {"drawstyle": "steps-post"} if line.get("shape") == "hv" else {}
        axes.plot(trace["x"], trace["y"], linewidth=line.get("width", 2) * 0.75, **style, **step)
    else:
        symbol = {"diamond": "D", "x": "X", "line-ns-open": "|"}.get(marker.get("symbol", ""), "o")
        style |= {"marker": symbol, "markersize": marker.get("size", 5) * 0.75}
        if edge := marker.get("line"):
            style |= {"markeredgecolor": edge["color"], "markeredgewidth": edge["width"] * 0.75}
        axes.plot(trace["x"], trace["y"], linestyle="", **style)


_DRAW = {"bar": _bar, "scatter": _scatter}


def _label(trace: dict[str, Any]) -> str | None:
    """Its name in the legend, if it shall be there."""
    return trace.get("name") if trace.get("showlegend", True) else None


def _dress(axes: Axes, layout: dict[str, Any], *, legend: bool) -> None:
    legend = legend and layout.get("showlegend", True)
    axes.set_title(layout["title"]["text"], loc="left", fontsize=11, color=INK, pad=20 if legend else 6)
    axes.set_xlabel(layout["xaxis"]["title"]["text"], fontsize=9, color=INK)
    axes.set_ylabel(layout["yaxis"]["title"]["text"], fontsize=9, color=INK)
    if span := layout["xaxis"].get("range"):
        axes.set_xlim(*span)
    if span := layout["yaxis"].get("range"):
        axes.set_ylim(*span)
    if ticks := layout["yaxis"].get("ticktext"):
        axes.set_yticks(layout["yaxis"]["tickvals"], [text.replace("<br>", "\n") for text in ticks])
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9)
    bare(axes, "top", "right")
    if legend:
        _legend(axes)


def bare(axes: Axes, *without: str) -> None:
    """All lines in ink, none at the sides *without*."""
    axes.tick_params(colors=INK)
    for side, spine in axes.spines.items():
        spine.set_color(INK)
        spine.set_visible(side not in without)


def _legend(axes: Axes) -> None:
    """Beside the title, where it hides nothing."""
    axes.legend(
        fontsize=8,
        frameon=False,
        ncols=4,
        loc="lower right",
        bbox_to_anchor=(1.0, 0.99),
        borderaxespad=0.0,
        labelcolor=INK,
    )
