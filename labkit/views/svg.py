"""Drawings as SVG, for pictures that are drawn again and again: small, in the colours of the page's theme."""

from __future__ import annotations

import html
from collections.abc import Iterator

from labkit.views.drawing import Arrow, Box, Drawing, Note, Point, Words, head_of, shaft_of
from labkit.views.theme import FONT, INK

_THEMED = {
    "white": "var(--jp-layout-color1,#fff)",
    INK: "var(--jp-ui-font-color1,#222)",
    "#6B6B6B": "var(--jp-ui-font-color2,#6b6b6b)",
    "#EFEFEF": "var(--jp-layout-color2,#efefef)",
    "#A8A8A8": "var(--jp-border-color1,#a8a8a8)",
}
"""Colours that are the page's own where it has them."""
_ANCHORS = {"left": "start", "center": "middle", "right": "end"}
_TITLE_SIZE, _LEFT, _TITLE_MIDDLE = 15, 12, 19


def as_svg(drawing: Drawing, caption: str) -> str:
    """*drawing* as wide as the page lets it be, at most as it is; *caption* says in words what it shows."""
    title = Words(_LEFT, _TITLE_MIDDLE, drawing.title, _TITLE_SIZE, bold=True, align="left")
    shapes = sorted(drawing.shapes, key=lambda one: isinstance(one, Words) + 2 * isinstance(one, Note))
    inside = "".join(part for shape in [title, *shapes] for part in _parts(shape))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {drawing.width:g} {drawing.height:g}" '
        f'style="width:100%;max-width:{drawing.width:g}px" font-family="{FONT}" role="img" '
        f'aria-label="{html.escape(caption)}">{inside}</svg>'
    )


def _parts(shape: Box | Words | Arrow | Note) -> Iterator[str]:
    match shape:
        case Box():
            yield (
                f'<rect x="{shape.x:.1f}" y="{shape.y:.1f}" width="{shape.width:.1f}" '
                f'height="{shape.height:.1f}" rx="{shape.radius}" fill="{_colour(shape.fill)}" '
                f'stroke="{_colour(shape.line)}" stroke-width="{shape.thick}"{_dashes(shape.dashed)}/>'
            )
        case Words() if shape.text:
            yield _words(shape)
        case Arrow():
            colour = _colour(shape.colour)
            yield (
                f'<polyline points="{_points(shaft_of(shape))}" fill="none" stroke="{colour}" '
                f'stroke-width="{shape.thick:.1f}"{_dashes(shape.dashed)}/>'
            )
            yield f'<polygon points="{_points(head_of(shape))}" fill="{colour}"/>'
        case Note():
            told = html.escape(_plain(shape.text))
            for x, y in shape.points:
                spot = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="12" fill="transparent">'
                yield f"{spot}<title>{told}</title></circle>"


def _words(words: Words) -> str:
    halo = f' stroke="{_THEMED["white"]}" stroke-width="4" paint-order="stroke"' if words.ground else ""
    weight = ' font-weight="bold"' if words.bold else ""
    return (
        f'<text x="{words.x:.1f}" y="{words.y:.1f}" font-size="{words.size}" fill="{_colour(words.colour)}" '
        f'text-anchor="{_ANCHORS[words.align]}" dominant-baseline="central"{weight}{halo}>'
        f"{html.escape(words.text)}</text>"
    )


def _colour(colour: str) -> str:
    return _THEMED.get(colour, colour)


def _dashes(dashed: bool) -> str:
    return ' stroke-dasharray="5 3"' if dashed else ""


def _points(points: tuple[Point, ...] | list[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _plain(text: str) -> str:
    return text.replace("<br>", "\n").replace("<b>", "").replace("</b>", "")
