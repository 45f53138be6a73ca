"""Weight sliders with a live split: move one, and see the traffic move.

A slider changes the real VirtualService; a stream of real requests shows what comes of it. The stream
runs in a thread of its own, starts only when asked to, ends at its total, and pauses while nobody has
the panel before them.

Where no widgets are (nbconvert, papermill), the panel sends a hundred requests and shows them, still.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

import ipywidgets as widgets
import pandas as pd

from labkit.errors import LabkitError, UsageError
from labkit.kube.api import Api
from labkit.release import change
from labkit.scenario.splitting import give, needed_rule, parts_now
from labkit.traffic.answers import send
from labkit.traffic.split import Split, split_counts
from labkit.traffic.stream import Stream, Where
from labkit.views.figures import plot_split
from labkit.views.live import LiveView
from labkit.views.presence import Presence
from labkit.views.split_controls import PRESETS, Controls
from labkit.views.split_figure import SERVICES, Change, Shown, SplitFigure, who_answered

__all__ = ["PRESETS", "SplitPanel"]

_STILL = 100
_MOST_SHOWN = 1500
_LOOK = 1.0
"""Seconds between two looks at the weights, which somebody may change elsewhere."""


class SplitPanel(LiveView):
    """Sliders, a stream, a figure. ``close()`` ends all three; so does running its cell again.

    where: finds the URL. rate: requests a second. total: requests at most. window: seconds shown.
    """

    def __init__(
        self, api: Api, where: Where, *, rate: int = 20, total: int = 5000, window: int = 30
    ) -> None:
        self._api, self._where, self._window = api, where, window
        self._lock, self._setting = threading.RLock(), threading.Lock()
        self._looked = time.monotonic()
        self._rows: deque[Shown] = deque(maxlen=_MOST_SHOWN)
        self._newest_error = ""
        self._began = time.time()
        self._asked: tuple[float, float] | None = None
        self._missed = False
        self.first_answer_ms: float | None = None
        """From the slider's move to the first answer by the new weights; None before one came."""
        self.changed: change.Change | None = None
        """The newest change made here."""
        self.weights = _of_both(parts_now(api)) or {"ServiceB": 100, "ServiceC": 0}
        self._changes: list[Change] = [(0.0, self.weights["ServiceC"])]
        self.stream = Stream(where, self._take, rate=rate, total=total)
        self._build(rate)
        self.replace_former()

    # ------------------------------------------------------------------------------------- widgets

    def _build(self, rate: int) -> None:
        self.controls = Controls(self.weights["ServiceB"], self.weights["ServiceC"], rate)
        self.controls.on_weight(self._moved)
        self.controls.button.on_click(lambda _: self.pause() if self.stream.running else self.start())
        self.controls.rate.observe(lambda change: setattr(self.stream, "rate", change["new"]), "value")
        self.figure = SplitFigure(self._window, self.split())
        self.presence = Presence(self._came, self._went)
        self._show_state()
        self.controls.show_command(self.command)
        self.box = widgets.VBox([self.presence, self.controls.head, self.figure.widget, self.controls.foot])

    def _moved(self, c: int) -> None:
        if c != self.weights["ServiceC"]:  # else it is the other slider that follows
            self.set(c)

    def _show_weights(self, weights: dict[str, int]) -> None:
        self.weights = weights
        self.controls.weigh(weights["ServiceB"], weights["ServiceC"])

    # --------------------------------------------------------------------------------------- doing

    def set(self, c: int) -> None:
        """Send *c* of 100 requests to ServiceC, by the VirtualService. Refusals stand in the panel."""
        if not isinstance(c, int) or not 0 <= c <= 100:  # the sliders would stop at 0 and 100, and set that
            self.controls.show_refusal(f"ServiceC's weight is a whole number from 0 to 100, not {c}.")
            return
        self._set(c)

    def _set(self, c: int) -> None:
        with self._setting:
            before, asked = self.weights, time.time()
            self._show_weights({"ServiceB": 100 - c, "ServiceC": c})
            try:
                changed = give(self._api, "ServiceC", c)
            except LabkitError as error:
                self._show_weights(before)
                self.controls.show_refusal(str(error))
                return
        with self._lock:
            self.changed, self._asked, self.first_answer_ms = changed, (asked, changed.at), None
        self.controls.show_change(self._told(changed))
        self._mark(changed.at, c)

    def _mark(self, at: float, c: int) -> None:
        """From *at* on ServiceC has the weight *c*."""
        with self._lock:
            self._changes = [*self._changes, (at - self._began, c)][-50:]
        self.controls.show_command(self.command)
        self._draw()

    def _follow(self) -> None:
        """Show weights that were set elsewhere: by kubectl, by lab.shift()."""
        if time.monotonic() - self._looked < _LOOK or not self._setting.acquire(blocking=False):
            return
        try:
            self._looked = time.monotonic()
            found = _of_both(parts_now(self._api))
            if found is None or found == self.weights:
                return
            self._show_weights(found)
        except LabkitError:  # the cluster is gone: the answers say so
            return
        finally:
            self._setting.release()
        self.changed = self._asked = None
        self.controls.show_change(f"{self._words}: set elsewhere")
        self._mark(time.time(), found["ServiceC"])

    @property
    def command(self) -> str:
        """The kubectl command that does what the sliders did last, with its manifest."""
        return self.changed.command if self.changed else change.command(needed_rule(self._api))

    def start(self) -> None:
        """Start the stream, or go on after a pause."""
        self._missed = False
        self.stream.start()
        self._show_state()

    def pause(self) -> None:
        """Send no more for now."""
        self._missed = False
        self.stream.pause()
        self._show_state()

    def stop(self) -> None:
        """End the stream."""
        self.stream.close()

    # ---------------------------------------------------------------------------------- who looks on

    def _went(self) -> None:
        """Nobody has the panel before them any more."""
        if self.stream.running:
            self.pause()
            self._missed = True
            self._show_state()

    def _came(self) -> None:
        """The panel is seen (again)."""
        if self._missed:
            self.start()
        self._draw()

    # -------------------------------------------------------------------------------------- seeing

    def _take(self, rows: pd.DataFrame) -> None:
        """A handful of answers, in the stream's thread."""
        self._follow()
        with self._lock:
            for at, who, failed in who_answered(rows):
                self._rows.append((at - self._began, who, failed))
            self._note_error(rows)
            first = self._first_answer(rows)
        if first is not None and self.changed:
            self.first_answer_ms = first
            told = f"first answer by the new weights after {first:.0f} ms"
            self.controls.show_change(self._told(self.changed), told)
        self._draw()
        self._show_state()

    def _note_error(self, rows: pd.DataFrame) -> None:
        failed = [n for n, (_, who, _) in enumerate(who_answered(rows)) if who == "error"]
        if failed:
            last = rows.iloc[failed[-1]]
            words = last["error"] if pd.isna(last["status"]) else f"{last['status']} {last['body']}".strip()
            self._newest_error = str(words)[:200]

    def _first_answer(self, rows: pd.DataFrame) -> float | None:
        """Milliseconds from the move to the first answer to a request sent once all proxies knew."""
        if self._asked is None:
            return None
        asked, applied = self._asked
        sent = rows["time"].astype("int64") / 1e6
        arrived = (sent + rows["total_ms"] / 1000)[(sent >= applied) & (rows["status"] < 400)]
        if arrived.empty:
            return None
        self._asked = None
        return float(1000 * (arrived.min() - asked))

    def _draw(self) -> None:
        with self._lock:
            now = max(time.time() - self._began, float(self._window))
            shown = [row for row in self._rows if row[0] >= now - self._window]
            self.figure.show(now, shown, self._changes[1:], self.split())
            failed = sum(who == "error" for _, who, _ in shown)
            self.controls.show_errors(
                f"{failed} of {len(shown)} failed; the newest: {self._newest_error}" if failed else ""
            )

    def split(self) -> Split:
        """The shares observed within the window since the newest change, against the weights."""
        with self._lock:
            since = max(self._changes[-1][0], time.time() - self._began - self._window)
            names = [who for at, who, _ in self._rows if at >= since]
        return self._shares(names)

    def _shares(self, names: list[str]) -> Split:
        counts = {name: names.count(name) for name in SERVICES}
        return split_counts(counts, self.weights, left_out=len(names) - sum(counts.values()))

    # --------------------------------------------------------------------------------------- words

    def _told(self, changed: change.Change) -> str:
        return f"{self._words}: {changed.sentence}"

    @property
    def _words(self) -> str:
        return f"B {self.weights['ServiceB']}, C {self.weights['ServiceC']}"

    def _show_state(self) -> None:
        stream = self.stream
        done = stream.sent >= stream.total
        self.controls.show_state(running=stream.running, done=done, words=self._state(done=done))

    def _state(self, *, done: bool) -> str:
        sent, total = self.stream.sent, self.stream.total
        if done:
            return f"All {total} requests are sent. Run the cell again for more."
        if self.stream.failure:
            return f"The stream ended: {self.stream.failure}. Run the cell again to go on."
        if self.stream.running:
            return f"{sent} of at most {total} sent"
        if self._missed:
            return f"Paused at {sent}: nobody looks."
        return f"Paused at {sent} of at most {total}." if sent else f"Ready: at most {total} requests."

    # ------------------------------------------------------------------------------------- showing

    def __repr__(self) -> str:
        return f"A panel of widgets: {self._words}. Run its cell to use it."

    def still(self) -> dict[str, Any]:
        """A hundred requests by the weights there are, as a picture; the command is printed above."""
        answers = send(self._where(), requests=_STILL, concurrency=4)
        found = self._shares([who for _, who, _ in who_answered(answers)])
        print(f"$ {self.command}")
        return plot_split(found, "B and C by their weights")._repr_mimebundle_()


def _of_both(parts: dict[str, int] | None) -> dict[str, int] | None:
    """The weights of ServiceB and ServiceC; UsageError where others take part."""
    if parts is None:
        return None
    if others := [name for name in parts if name not in SERVICES]:
        more = ", ".join(others)
        raise UsageError(
            f"The panel has a slider each for {' and '.join(SERVICES)}, and the rule leads to {more}, too. "
            "lab.weights(), lab.split() and lab.shift() know any rule."
        )
    return {name: parts.get(name, 0) for name in SERVICES}
