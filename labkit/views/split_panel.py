"""Weight sliders with a live split: move one, and see the traffic move.

A slider changes the real VirtualService; a stream of real requests shows what comes of it. The stream
runs in a thread of its own, starts only when asked to and ends at its total. ipywidgets keeps every
widget of a kernel alive, so a panel could never be forgotten by itself: the one a cell made before is
closed when the cell runs again.

Where no widgets are (nbconvert, papermill), the panel sends a hundred requests and shows them, still.
"""

from __future__ import annotations

import html
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
import pandas as pd

from labkit.errors import LabkitError
from labkit.kube.api import Api
from labkit.scenario.weights import WeightsSet, set_weights, weights_now
from labkit.traffic.answers import send
from labkit.traffic.split import Split, split_counts
from labkit.traffic.stream import Stream
from labkit.views.figures import plot_split
from labkit.views.picture import Picture
from labkit.views.split_figure import SERVICES, SplitFigure, who_answered

PRESETS = (0, 10, 50, 90, 100)
_STILL = 100
_MOST_SHOWN = 1500
_by_cell: dict[str, SplitPanel] = {}


class SplitPanel:
    """Sliders, a stream, a figure. ``close()`` ends all three; so does running its cell again.

    where: finds the URL. rate: requests a second. total: requests at most. window: seconds shown.
    """

    def __init__(
        self, api: Api, where: Callable[[], str], *, rate: int = 20, total: int = 5000, window: int = 30
    ) -> None:
        self._api, self._where, self._window = api, where, window
        self._lock = threading.RLock()
        self._rows: deque[tuple[float, str, bool]] = deque(maxlen=_MOST_SHOWN)
        self._began, self._changes = time.time(), [0.0]
        self._asked: tuple[float, float] | None = None
        self.first_answer_ms: float | None = None
        """From the slider's move to the first answer by the new weights; None before one came."""
        self.changed: WeightsSet | None = None
        """The newest change made here."""
        self.weights = weights_now(api) or {"ServiceB": 100, "ServiceC": 0}
        self.stream = Stream(where, self._take, rate=rate, total=total)
        self._build(rate, total)
        self._close_former()

    # ------------------------------------------------------------------------------------- widgets

    def _build(self, rate: int, total: int) -> None:
        self.b = self._slider("ServiceB", lambda value: 100 - value)
        self.c = self._slider("ServiceC", lambda value: value)
        self.presets = [widgets.Button(description=f"C {c} %", layout={"width": "6.5em"}) for c in PRESETS]
        for button, c in zip(self.presets, PRESETS, strict=True):
            button.on_click(lambda _, c=c: self.set(c))
        self.button = widgets.Button(description="Start", icon="play", button_style="primary")
        self.button.on_click(lambda _: self.pause() if self.stream.running else self.start())
        self.rate = widgets.IntSlider(rate, 1, 100, description="per second", continuous_update=False)
        self.rate.observe(lambda change: setattr(self.stream, "rate", change["new"]), "value")
        self.status = widgets.HTML(f"Ready: at most {total} requests.")
        self.manifest = widgets.HTML()
        self.figure = SplitFigure(self._window, self.split())
        self.box = widgets.VBox(
            [
                widgets.HBox([self.b, self.c]),
                widgets.HBox([*self.presets]),
                widgets.HBox([self.button, self.rate]),
                self.status,
                self.figure.widget,
                widgets.Accordion([self.manifest], titles=("What was applied",)),
            ]
        )

    def _slider(self, name: str, c_of: Callable[[int], int]) -> widgets.IntSlider:
        slider = widgets.IntSlider(
            self.weights[name], 0, 100, description=name, continuous_update=False, readout_format="d"
        )
        slider.observe(lambda change: self._moved(c_of(change["new"])), "value")
        return slider

    def _moved(self, c: int) -> None:
        if c != self.weights["ServiceC"]:  # else it is the other slider that follows
            self.set(c)

    def _show_weights(self) -> None:
        self.b.value, self.c.value = self.weights["ServiceB"], self.weights["ServiceC"]

    # --------------------------------------------------------------------------------------- doing

    def set(self, c: int) -> None:
        """Send *c* of 100 requests to ServiceC, by the VirtualService. Refusals stand in the status."""
        before, asked = self.weights, time.time()
        self.weights = {"ServiceB": 100 - c, "ServiceC": c}
        self._show_weights()
        try:
            changed = set_weights(self._api, c)
        except LabkitError as error:
            self.weights = before
            self._show_weights()
            self._say(str(error))
            return
        with self._lock:
            self.changed, self._asked, self.first_answer_ms = changed, (asked, changed.at), None
            self._changes = [*self._changes, changed.at - self._began][-50:]
        self._say(f"B {100 - c}, C {c}: {changed.sentence}")
        self.manifest.value = f"<pre>{html.escape('$ ' + changed.command)}</pre>"
        self._draw()

    def start(self) -> None:
        """Start the stream, or go on after a pause."""
        self.stream.start()
        self._show_running()

    def pause(self) -> None:
        """Send no more for now."""
        self.stream.pause()
        self._show_running()

    def close(self) -> None:
        """End the stream and give the widgets back. Closing twice is fine."""
        self.stream.close()
        for widget in _all_of(self.box):
            widget.close()

    def _show_running(self) -> None:
        running = self.stream.running
        self.button.description, self.button.icon = ("Pause", "pause") if running else ("Start", "play")

    def _say(self, words: str) -> None:
        self.status.value = html.escape(words).replace("\n", "<br>")

    # -------------------------------------------------------------------------------------- seeing

    def _take(self, rows: pd.DataFrame) -> None:
        """A handful of answers, in the stream's thread."""
        with self._lock:
            for at, who, failed in who_answered(rows):
                self._rows.append((at - self._began, who, failed))
            first = self._first_answer(rows)
        if first is not None:
            self.first_answer_ms = first
            self.status.value += f"<br>first answer by the new weights after {first:.0f} ms"
        self._draw()
        if self.stream.sent >= self.stream.total:
            self.button.description, self.button.disabled = "Done", True
            self._say(f"All {self.stream.total} requests are sent. Run the cell again for more.")

    def _first_answer(self, rows: pd.DataFrame) -> float | None:
        """Milliseconds from the move to the first answer to a request sent once all proxies knew."""
        if self._asked is None:
            return None
        asked, applied = self._asked
        sent = rows["time"].astype("int64") / 1e6
        arrived = (sent + rows["total_ms"] / 1000)[(sent >= applied) & rows["status"].notna()]
        if arrived.empty:
            return None
        self._asked = None
        return float(1000 * (arrived.min() - asked))

    def _draw(self) -> None:
        with self._lock:
            now = max(time.time() - self._began, float(self._window))
            shown = [row for row in self._rows if row[0] >= now - self._window]
            self.figure.show(now, shown, self._changes, self.split())

    def split(self) -> Split:
        """The shares observed within the window since the newest change, against the weights."""
        with self._lock:
            since = max(self._changes[-1], time.time() - self._began - self._window)
            names = [who for at, who, _ in self._rows if at >= since]
        counts = {name: names.count(name) for name in SERVICES}
        return split_counts(counts, self.weights, left_out=len(names) - sum(counts.values()))

    # ------------------------------------------------------------------------------------- showing

    def still(self) -> Picture:
        """A hundred requests by the weights there are, as a picture that needs no widget."""
        answers = send(self._where(), requests=_STILL, concurrency=4)
        names = [who for _, who, _ in who_answered(answers)]
        counts = {name: names.count(name) for name in SERVICES}
        found = split_counts(counts, self.weights, left_out=len(names) - sum(counts.values()))
        return plot_split(found, "B and C by their weights")

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        picture = self.still()._repr_mimebundle_()
        if not _cell():
            return picture
        still = {kind: picture[kind] for kind in ("image/png", "text/plain")}
        view: dict[str, Any] = self.box._repr_mimebundle_()
        return {**view, **still}

    def _close_former(self) -> None:
        if cell := _cell():
            former = _by_cell.pop(cell, None)
            _by_cell[cell] = self
            if former:
                former.close()


def _all_of(widget: widgets.Widget) -> list[widgets.Widget]:
    """*widget* and what is in it. (Widget.close_all() would close those of every other panel, too.)"""
    inside = [found for child in getattr(widget, "children", ()) for found in _all_of(child)]
    return [*inside, widget]


def _cell() -> str | None:
    """The id of the cell that runs. Front ends with widgets name it; nbclient and papermill do not."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return None
    metadata = (kernel.get_parent("shell") or {}).get("metadata") or {}
    return metadata.get("cellId")
