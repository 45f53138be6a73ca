"""Drawings out of boxes, words and arrows: the same on plotly's canvas and on matplotlib's.

One unit is one pixel of the picture, from its upper left corner. Both canvases get the same shapes at the
same places, arrowheads too, so that the still twin differs from the live figure in nothing but hovering.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from labkit.views.picture import as_png
from labkit.views.theme import FONT, INK, NONE, SHADE, css

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[float, float]
_DPI, _SHARP = 100, 1.5
_LEFT, _TITLE_MIDDLE, _TITLE_SIZE = 12, 19, 15
_HEAD_LONG, _HEAD_WIDE = 12.0, 4.5


@dataclass(frozen=True)
class Box:
    """A rectangle with round corners; *x*, *y* its upper left corner."""

    x: float
    y: float
    width: float
    height: float
    fill: str = SHADE
    line: str = INK
    thick: float = 1.0
    dashed: bool = False
    radius: float = 5.0


@dataclass(frozen=True)
class Words:
    """One line of text; *y* is its middle."""

    x: float
    y: float
    text: str
    size: float = 11.0
    colour: str = INK
    bold: bool = False
    align: str = "center"
    ground: bool = False
    """Whether it is white on a ground of its colour, so that a line under it does not cross it out."""


@dataclass(frozen=True)
class Arrow:
    """A line through *points* with a head at its end."""

    points: tuple[Point, ...]
    colour: str = INK
    thick: float = 1.5
    dashed: bool = False


@dataclass(frozen=True)
class Note:
    """What is told to who points at one of *points*."""

    points: tuple[Point, ...]
    text: str


@dataclass
class Drawing:
    """Shapes, in the order in which they are laid on each other."""

    title: str
    width: float
    height: float
    shapes: list[Box | Words | Arrow | Note] = field(default_factory=list)


def fitted(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """*text*, cut off where it would be wider than *width* at this font size."""
    most = int(width / (size * (0.64 if bold else 0.59)))
    return text if len(text) <= most else text[: max(most - 1, 1)] + "…"


def head_of(arrow: Arrow) -> tuple[Point, Point, Point]:
    """The triangle at the arrow's end."""
    (x0, y0), (x1, y1) = arrow.points[-2:]
    length = math.hypot(x1 - x0, y1 - y0) or 1.0
    dx, dy = (x1 - x0) / length, (y1 - y0) / length
    wide = _HEAD_WIDE + arrow.thick / 3
    back = (x1 - dx * _HEAD_LONG, y1 - dy * _HEAD_LONG)
    return (x1, y1), (back[0] - dy * wide, back[1] + dx * wide), (back[0] + dy * wide, back[1] - dx * wide)


def shaft_of(arrow: Arrow) -> list[Point]:
    """The line, which ends under the head, lest a thick one blunts the point."""
    (x0, y0), (x1, y1) = arrow.points[-2:]
    length = math.hypot(x1 - x0, y1 - y0) or 1.0
    short = _HEAD_LONG * 0.7 / length
    return [*arrow.points[:-1], (x1 - (x1 - x0) * short, y1 - (y1 - y0) * short)]


# -------------------------------------------------------------------------------------------- plotly


def as_figure(drawing: Drawing) -> go.Figure:
    """The drawing as a plotly figure; notes appear where one points."""
    shapes = [one for shape in drawing.shapes for one in _plotly_shapes(shape)]
    texts = [_annotation(shape) for shape in drawing.shapes if isinstance(shape, Words) and shape.text]
    notes = [_hover(shape) for shape in drawing.shapes if isinstance(shape, Note)]
    hidden = {"visible": False, "fixedrange": True}
    layout = {
        "template": "none",
        "title": {
            "text": _escaped(drawing.title),
            "font": {"size": _TITLE_SIZE},
            "pad": {"l": _LEFT},
            "y": 1 - _TITLE_MIDDLE / drawing.height,
            "yanchor": "middle",
        },
        "width": drawing.width,
        "height": drawing.height,
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
        "paper_bgcolor": css(NONE),
        "plot_bgcolor": css(NONE),
        "xaxis": {**hidden, "range": [0, drawing.width]},
        "yaxis": {**hidden, "range": [drawing.height, 0]},
        "font": {"family": FONT, "color": INK},
        "hovermode": "closest",
        "hoverlabel": {
            "align": "left",
            "bgcolor": "white",
            "bordercolor": INK,
            "font": {"size": 12, "color": INK, "family": FONT},
        },
        "dragmode": False,
        "showlegend": False,
        "shapes": shapes,
        "annotations": texts,
    }
    return go.Figure(notes, layout)


def _plotly_shapes(shape: Box | Words | Arrow | Note) -> list[dict[str, Any]]:
    if isinstance(shape, Box):
        line = {"color": shape.line, "width": shape.thick, "dash": "dash" if shape.dashed else "solid"}
        return [_below(_round(shape), shape.fill, line)]
    if isinstance(shape, Arrow):
        line = {"color": shape.colour, "width": shape.thick, "dash": "dash" if shape.dashed else "solid"}
        none = {"color": shape.colour, "width": 0}
        return [
            _below(_path(shaft_of(shape)), "rgba(0,0,0,0)", line),
            _below(f"{_path(head_of(shape))} Z", shape.colour, none),
        ]
    return []


def _below(path: str, fill: str, line: dict[str, Any]) -> dict[str, Any]:
    return {"type": "path", "path": path, "fillcolor": css(fill), "line": line, "layer": "below"}


def _path(points: Any) -> str:
    return "M " + " L ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _round(box: Box) -> str:
    x, y, r = box.x, box.y, box.radius
    right, bottom = x + box.width, y + box.height
    return (
        f"M {x + r},{y} L {right - r},{y} Q {right},{y} {right},{y + r} L {right},{bottom - r} "
        f"Q {right},{bottom} {right - r},{bottom} L {x + r},{bottom} Q {x},{bottom} {x},{bottom - r} "
        f"L {x},{y + r} Q {x},{y} {x + r},{y} Z"
    )


def _annotation(words: Words) -> dict[str, Any]:
    escaped = _escaped(words.text)
    return {
        "x": words.x,
        "y": words.y,
        "text": f"<b>{escaped}</b>" if words.bold else escaped,
        "font": {"size": words.size, "color": "white" if words.ground else words.colour},
        "showarrow": False,
        "xanchor": words.align,
        "yanchor": "middle",
        "borderpad": 1,
        **({"bgcolor": words.colour} if words.ground else {}),
    }


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _hover(note: Note) -> dict[str, Any]:
    return {
        "type": "scatter",
        "x": [x for x, _ in note.points],
        "y": [y for _, y in note.points],
        "mode": "markers",
        "marker": {"size": 24, "opacity": 0},
        "hovertemplate": f"{note.text}<extra></extra>",
        "showlegend": False,
    }


# ---------------------------------------------------------------------------------------- matplotlib


def as_still(drawing: Drawing) -> bytes:
    """The drawing as a PNG, half as large again as on the screen, so that its words stay sharp."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = (drawing.width / _DPI, drawing.height / _DPI)
    page = Figure(figsize=size, dpi=_DPI * _SHARP)
    FigureCanvasAgg(page)
    axes = page.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0, drawing.width)
    axes.set_ylim(drawing.height, 0)
    axes.set_axis_off()
    title = Words(_LEFT, _TITLE_MIDDLE, drawing.title, _TITLE_SIZE, align="left")
    for order, shape in enumerate([title, *drawing.shapes]):
        _draw(axes, shape, order + (10_000 if isinstance(shape, Words) else 0))  # words on top, as plotly
    return as_png(page)


def _draw(axes: Axes, shape: Box | Words | Arrow | Note, order: int) -> None:
    if isinstance(shape, Box):
        _draw_box(axes, shape, order)
    elif isinstance(shape, Words):
        _draw_words(axes, shape, order)
    elif isinstance(shape, Arrow):
        _draw_arrow(axes, shape, order)


_PT = 72 / _DPI
"""Points in a pixel."""


def _draw_box(axes: Axes, box: Box, order: int) -> None:
    from matplotlib.patches import FancyBboxPatch

    axes.add_patch(
        FancyBboxPatch(
            (box.x, box.y),
            box.width,
            box.height,
            boxstyle=f"round,pad=0,rounding_size={box.radius * 0.6}",
            facecolor=box.fill,
            edgecolor=box.line,
            linewidth=box.thick * _PT,
            linestyle=(0, (5, 3)) if box.dashed else "solid",
            zorder=order,
        )
    )


def _draw_words(axes: Axes, words: Words, order: int) -> None:
    axes.text(
        words.x,
        words.y,
        words.text.replace("$", r"\$"),
        fontsize=words.size * _PT,
        color="white" if words.ground else words.colour,
        fontweight="bold" if words.bold else "normal",
        ha=words.align,
        va="center_baseline",
        zorder=order,
        bbox={"facecolor": words.colour, "edgecolor": "none", "pad": 0.8} if words.ground else None,
    )


def _draw_arrow(axes: Axes, arrow: Arrow, order: int) -> None:
    from matplotlib.patches import Polygon

    xs, ys = zip(*shaft_of(arrow), strict=True)
    style: Any = (0, (4, 2.5)) if arrow.dashed else "solid"
    axes.plot(
        xs,
        ys,
        color=arrow.colour,
        linewidth=arrow.thick * _PT,
        linestyle=style,
        zorder=order,
        solid_capstyle="butt",
    )
    axes.add_patch(
        Polygon(head_of(arrow), closed=True, facecolor=arrow.colour, edgecolor="none", zorder=order)
    )
