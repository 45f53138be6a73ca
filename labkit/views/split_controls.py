"""The split panel's widgets and how they are laid out; what they do is the panel's.

Rows wrap where the page is narrow, and the figure takes the width there is.
"""

from __future__ import annotations

import html
from collections.abc import Callable

import ipywidgets as widgets

from labkit.markup import BAD, GOOD
from labkit.views.theme import colour_of

PRESETS = (0, 10, 50, 90, 100)
_ROW = {"flex_flow": "row wrap", "align_items": "center", "margin": "2px 0"}
_WORDS = "line-height:1.5;color:var(--jp-ui-font-color1,inherit)"
_CODE = (
    "margin:0;padding:6px 10px;overflow:auto;line-height:1.35;font-size:.9em;"
    "font-family:var(--jp-code-font-family,monospace);background:var(--jp-layout-color2,#f5f5f5)"
)


class Controls:
    """``head`` goes above the figure, ``foot`` below."""

    def __init__(self, b: int, c: int, rate: int) -> None:
        self.b, self.c = _slider("ServiceB", b), _slider("ServiceC", c)
        self.presets = [_preset(c) for c in PRESETS]
        self.button = widgets.Button(icon="play", button_style="primary", layout={"width": "7em"})
        self.rate = widgets.IntSlider(
            rate, 1, 100, description="requests a second", continuous_update=False, layout={"width": "26em"}
        )
        self.rate.style.description_width = "10em"
        self.state, self.change, self.errors = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.manifest = widgets.HTML()
        label = widgets.Label("Weights B / C:", layout={"width": "7.5em"})
        self.head = widgets.VBox(
            [
                widgets.HBox([self.b, self.c], layout=_ROW),
                widgets.HBox([label, *self.presets], layout=_ROW),
                widgets.HBox([self.button, self.rate, self.state], layout=_ROW),
                self.change,
                self.errors,
            ]
        )
        self.foot = self.manifest

    def weigh(self, b: int, c: int) -> None:
        """Put the sliders where the weights are."""
        self.b.value, self.c.value = b, c

    def on_weight(self, call: Callable[[int], None]) -> None:
        """*call* is given ServiceC's weight, whichever slider or button was used."""
        self.b.observe(lambda change: call(100 - change["new"]), "value")
        self.c.observe(lambda change: call(change["new"]), "value")
        for button, c in zip(self.presets, PRESETS, strict=True):
            button.on_click(lambda _, c=c: call(c))

    def show_command(self, command: str) -> None:
        """The command, with its manifest."""
        self.manifest.value = (
            f'<details open style="{_WORDS}"><summary>The manifest, and the command that applies it</summary>'
            f'<pre style="{_CODE}">{html.escape("$ " + command)}</pre></details>'
        )

    def show_change(self, *words: str) -> None:
        """What a change of the weights came to, one sentence a line; the first has the mark."""
        mark = f'<b style="color:{GOOD}">✓</b> '
        self.change.value = f'<div style="{_WORDS}">{mark}{"<br>".join(map(html.escape, words))}</div>'

    def show_refusal(self, words: str) -> None:
        """Why a change was refused."""
        self.change.value = _failure(words)

    def show_errors(self, words: str) -> None:
        """What went wrong with the requests shown; nothing with no words."""
        self.errors.value = _failure(words) if words else ""

    def show_state(self, *, running: bool, done: bool, words: str) -> None:
        """What the button does next, and how far the stream is."""
        self.button.description, self.button.icon = (
            ("Done", "check") if done else ("Pause", "pause") if running else ("Start", "play")
        )
        self.button.disabled = done
        self.state.value = f'<span style="{_WORDS}">{html.escape(words)}</span>'


def _slider(name: str, value: int) -> widgets.IntSlider:
    made = widgets.IntSlider(
        value, 0, 100, description=name, continuous_update=False, layout={"width": "22em"}
    )
    made.style.handle_color = colour_of(name)
    made.style.description_width = "5em"
    return made


def _preset(c: int) -> widgets.Button:
    tip = f"{100 - c} of 100 requests to ServiceB, {c} to ServiceC"
    return widgets.Button(description=f"{100 - c} / {c}", tooltip=tip, layout={"width": "5.5em"})


def _failure(words: str) -> str:
    lines = html.escape(words).replace("\n", "<br>")
    return f'<div style="{_WORDS}"><b style="color:{BAD}">✗</b> {lines}</div>'
