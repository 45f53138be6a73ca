"""The split panel's widgets and how they are laid out; what they do is the panel's.

They are as many as the rule has destinations, and made anew when it has others. Rows wrap where the page
is narrow; sliders take the width there is.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence

import ipywidgets as widgets

from labkit.language import gettext
from labkit.markup import BAD, GOOD
from labkit.views.split_switch import Switch

_EVERY = (0, 10, 50, 90, 100)
"""What the presets for two destinations give to the second one."""
_ROW = {"flex_flow": "row wrap", "align_items": "center", "margin": "0", "overflow": "hidden"}
_LINE = {"margin": "0 2px", "overflow": "hidden"}
_WORDS = "font-size:.95em;line-height:1.4;color:var(--jp-ui-font-color1,inherit)"
_ONE_LINE = f"{_WORDS};overflow:hidden;white-space:nowrap;text-overflow:ellipsis"
_CODE = (
    "margin:0;padding:6px 10px;overflow:auto;line-height:1.35;font-size:.9em;"
    "font-family:var(--jp-code-font-family,monospace);background:var(--jp-layout-color2,#f5f5f5)"
)

Moved = Callable[[str, int], None]
"""Told a destination's name, and what it is to get of 100."""


class Dial:
    """One destination: a slider, and the same number to type."""

    def __init__(self, name: str, value: int, colour: str, moved: Moved, *beside: widgets.Widget) -> None:
        tip = gettext("Weight of {name}: of 100 requests so many", name=name)
        self.slider = widgets.IntSlider(
            value,
            0,
            100,
            description=name,
            tooltip=tip,
            continuous_update=False,
            readout=False,
            layout={"flex": "1 1 20em", "min_width": "20em", "margin": "0 4px"},
        )
        self.slider.style.handle_color = colour
        self.slider.style.description_width = "9em"
        self.number = widgets.BoundedIntText(
            value, 0, 100, description=tip, tooltip=tip, layout={"width": "4.5em", "margin": "0 2px"}
        )
        self.number.style.description_width = "0px"  # its name for who can't see what it stands beside
        self.row = widgets.HBox(
            [self.slider, self.number, *beside], layout={"align_items": "center", "margin": "0"}
        )
        for one in (self.slider, self.number):
            one.observe(lambda change: moved(name, change["new"]), "value")

    def show(self, value: int) -> None:
        self.slider.value = self.number.value = value

    def enable(self, *, enabled: bool) -> None:
        self.slider.disabled = self.number.disabled = not enabled


class Controls:
    """``head`` goes above the figure, ``foot`` below. *moved* is called by sliders and numbers, *pressed* by
    presets, *switched* by the button that starts and pauses; *row* is one more row of buttons."""

    def __init__(
        self,
        rate: int,
        moved: Moved,
        pressed: Moved,
        switched: Callable[[bool], None],
        row: widgets.Widget,
    ) -> None:
        self._moved, self._pressed = moved, pressed
        self.dials: dict[str, Dial] = {}
        self.presets: list[widgets.Button] = []
        self._dials, self._presets = widgets.VBox(layout={"margin": "0"}), widgets.HBox(layout=_ROW)
        self.switch = Switch(switched, layout={"margin": "0 2px"})
        self.rate = widgets.BoundedIntText(
            rate,
            1,
            100,
            description=gettext("a second"),
            tooltip=gettext("Requests a second, 1 to 100"),
            layout={"width": "9.5em", "margin": "2px"},
        )
        self.rate.style.description_width = "4.5em"
        self.state, self.change, self.note, self.errors = (widgets.HTML(layout=_LINE) for _ in range(4))
        self.manifest = widgets.HTML()
        self.head = widgets.VBox(
            [
                self._dials,
                widgets.HBox([self.switch, self.rate, self._presets], layout=_ROW),
                row,
                self.state,
                self.change,
                self.note,
                self.errors,
            ],
            layout={"margin": "0", "overflow": "hidden"},
        )
        self.foot = self.manifest

    def offer(self, weights: Mapping[str, int], colours: Mapping[str, str]) -> None:
        """Sliders and presets for these destinations."""
        former = [*(widget for dial in self.dials.values() for widget in _of(dial)), *self.presets]
        self.presets = [self._preset(*preset) for preset in _presets(list(weights))]
        in_a_row = len(weights) == 2
        self.dials = {
            name: Dial(name, value, colours[name], self._moved, *self.presets[n : n + 1][in_a_row:])
            for n, (name, value) in enumerate(weights.items())
        }
        self._dials.children = [dial.row for dial in self.dials.values()]
        self._presets.children = self.presets if in_a_row else ()
        for widget in former:
            widget.close()

    def _preset(self, words: str, tip: str, name: str, percent: int) -> widgets.Button:
        button = widgets.Button(description=words, tooltip=tip, layout={"width": "auto", "padding": "0 .6em"})
        button.on_click(lambda _: self._pressed(name, percent))
        return button

    def weigh(self, weights: Mapping[str, int]) -> None:
        """Put the sliders where the weights are."""
        for name, weight in weights.items():
            self.dials[name].show(weight)

    def enable(self, *, enabled: bool) -> None:
        """Whether there is a rule to change. (Presets may be pressed all the same, and tell why not.)"""
        for dial in self.dials.values():
            dial.enable(enabled=enabled)

    def show_command(self, command: str) -> None:
        """The command, with its manifest."""
        summary = gettext("The manifest, and the command that applies it")
        self.manifest.value = (
            f'<details style="{_WORDS}"><summary>{summary}</summary>'
            f'<pre style="{_CODE}">{html.escape("$ " + command)}</pre></details>'
            if command
            else ""
        )

    def show_change(self, *words: str) -> None:
        """What a change of the weights came to; the first has the mark."""
        mark = f'<b style="color:{GOOD}">✓</b> '
        self.change.value = (
            f'<div role="status" style="{_WORDS}">{mark}{"; ".join(map(html.escape, words))}</div>'
        )

    def show_refusal(self, words: str) -> None:
        """Why a change was refused, or what is wrong with the rule."""
        self.change.value = _failure(words)

    def show_note(self, words: str) -> None:
        """What to know of the destinations; nothing with no words."""
        value = f'<div style="{_WORDS}">{html.escape(words)}</div>' if words else ""
        if self.note.value != value:
            self.note.value = value

    def show_errors(self, words: str) -> None:
        """What went wrong with the requests shown; nothing with no words."""
        value = _failure(words, style=_ONE_LINE) if words else ""
        if self.errors.value != value:
            self.errors.value = value

    def show_state(self, *, running: bool, done: bool, words: str) -> None:
        """What the button does next, and how far the stream is."""
        self.switch.show(running=running, done=done)
        value = f'<span style="{_WORDS}">{html.escape(words)}</span>'
        if self.state.value != value:
            self.state.value = value


def _presets(names: Sequence[str]) -> list[tuple[str, str, str, int]]:
    """Words, tip, whose weight, and which."""
    if len(names) == 2:
        first, second = names
        return [
            (
                f"{100 - c} / {c}",
                gettext(
                    "{rest} of 100 requests to {first}, {part} to {second}",
                    rest=100 - c,
                    first=first,
                    part=c,
                    second=second,
                ),
                second,
                c,
            )
            for c in _EVERY
        ]
    return [(gettext("all"), gettext("Every request to {name}", name=name), name, 100) for name in names]


def _of(dial: Dial) -> list[widgets.Widget]:
    return [dial.slider, dial.number, dial.row]


def _failure(words: str, style: str = _WORDS) -> str:
    lines = html.escape(words).replace("\n", "<br>")
    return f'<div style="{style}" title="{html.escape(words)}"><b style="color:{BAD}">✗</b> {lines}</div>'
