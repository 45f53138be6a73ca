"""How everything looks: one colour per service, the same in every picture.

The colours are those of Okabe and Ito (2008), which people with any colour vision can tell apart;
errors have one of their own that no service shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labkit.scenario.reading import the_book

ERROR = "#D55E00"
OTHER = "#999999"
CHANGED = "#E69F00"
"""Of marks; each comes with a sign and a word. Readable on white and on JupyterLab's dark ground."""
INK, FAINT = "#767676", "#80808040"
"""Of words and lines. Pictures have no ground: these are readable on a light and on a dark page."""
SHADE, NONE = "#8080801A", "#00000000"
"""Of areas: hardly there, and not there."""

WIDTH, HEIGHT = 640, 300
"""Of a still picture, in pixels; one with rows is as high as its rows need. A live one is as wide as its
cell."""
FONT = "DejaVu Sans, Verdana, Arial, sans-serif"


_known: dict[str, str] = {}
"""Title of a service → its colour, of every scenario that was opened in this process."""


def know(colours: Mapping[str, str], others: Sequence[str] = ()) -> None:
    """Have services their scenario's *colours* from now on, by title, and *others* of what is left."""
    _known.update(colours)
    _known.update(colours_of(others))


def known_colours() -> Mapping[str, str]:
    """Title of a service → its colour."""
    return _known or the_book().colours


def colour_of(name: str) -> str:
    """The colour of a service; one grey for all others."""
    return known_colours().get(name, OTHER)


_PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9")


def colours_of(names: Sequence[str]) -> dict[str, str]:
    """A colour for each of *names*, no two the same while there are enough: a service has its own, the
    others one of what is left, in their order."""
    known = {name: colour for name in names if (colour := known_colours().get(name))}
    free = (colour for colour in _PALETTE if colour not in known.values())
    return {name: known.get(name) or next(free, OTHER) for name in names}


def css(colour: str) -> str:
    """*colour* as plotly takes it: ``#RRGGBBAA`` is ``rgba(…)``."""
    if len(colour) != len("#RRGGBBAA"):
        return colour
    red, green, blue, alpha = bytes.fromhex(colour[1:])
    return f"rgba({red},{green},{blue},{alpha / 255:.2f})"


def height_of(rows: int) -> int:
    """The height of a figure with so many rows, in pixels."""
    return 124 + 52 * max(rows, 1)


def layout(title: str, x: str, y: str, **more: Any) -> dict[str, Any]:
    """The layout of a house figure: title, named axes, no decoration. (Plotly's default template is 7 kB.)"""
    axis = {"gridcolor": css(FAINT), "linecolor": INK, "zeroline": False, "automargin": True}
    return {
        "template": "none",
        "title": {"text": title, "font": {"size": 15}, "y": 1, "yanchor": "top", "pad": {"t": 10}},
        "width": more.pop("width", WIDTH),
        "height": more.pop("height", HEIGHT),
        "margin": {"l": 60, "r": 20, "t": 50, "b": 54},
        "font": {"color": INK, "family": FONT},
        "paper_bgcolor": css(NONE),
        "plot_bgcolor": css(NONE),
        "xaxis": {**axis, "title": {"text": x, "standoff": 12}, **more.pop("xaxis", {})},
        "yaxis": {**axis, "title": {"text": y}, **more.pop("yaxis", {})},
        **more,
    }
