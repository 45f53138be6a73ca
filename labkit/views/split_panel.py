"""Weight sliders with a live split: move one, and see the traffic move.

A slider changes the real VirtualService; a stream of real requests shows what comes of it. The stream
runs in a thread of its own, starts only when asked to, ends at its total, and pauses while nobody has
the panel before them. The rule is looked at all the time: others may change it, rename it, take it away.

Where no widgets are (nbconvert, papermill), the panel sends a hundred requests and shows them, still.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import pandas as pd

from labkit.clock import SYSTEM, Clock
from labkit.kube.api.api import Api
from labkit.language import gettext
from labkit.release.attribution import ByAnswer, ByLog, Tell, Told, error_in
from labkit.release.change import Change
from labkit.release.held import Held
from labkit.traffic.answers import send
from labkit.traffic.split import Split, split_counts
from labkit.traffic.stream import Stream, Where
from labkit.views.live import LiveView
from labkit.views.presence import Presence
from labkit.views.split_background import Attributing, Looking
from labkit.views.split_break import Breaking
from labkit.views.split_controls import Controls
from labkit.views.split_doubt import Doubt
from labkit.views.split_figure import SplitFigure
from labkit.views.split_left import LeftBehind, bundle
from labkit.views.split_rule import Made, Release, SteeredRule, listed
from labkit.views.split_tally import FAILED, Tally, titled
from labkit.views.theme import ERROR, colours_of

__all__ = ["Release", "SplitPanel"]

_STILL = 100


class SplitPanel(LiveView):
    """Sliders, a stream, a figure. ``close()`` ends all three; so does running its cell again.

    where: finds the URL. rate: requests a second. total: requests at most. window: seconds shown.
    """

    def __init__(
        self,
        api: Api,
        where: Where,
        release: Release,
        *,
        rate: int = 20,
        total: int = 5000,
        window: int = 30,
        clock: Clock = SYSTEM,
    ) -> None:
        self._where, self.release, self._clock = where, release, clock
        self._lock = threading.RLock()
        self._newest_error = ""
        self._awaited: Made | None = None
        self._missed, self._paused_at = False, clock.time()
        self._tell: Tell = ByAnswer({name: name for name in release.names})
        self.first_answer_ms: float | None = None
        """From the slider's move to the first answer by the new weights; None before one came."""
        self.tally = Tally(window)
        self.stream = Stream(where, self._take, headers=release.headers, rate=rate, total=total)
        self._attributing = Attributing(self._count)
        self._doubt = Doubt(
            release.trouble, lambda: self.stream.running, lambda _: self._show_errors(), clock=clock
        )
        self._left = LeftBehind(self._as_left, clock=clock)
        self._build(api, rate, window)
        self._looking = Looking(self.look)
        self.look()
        self.replace_former()

    # ------------------------------------------------------------------------------------- widgets

    def _build(self, api: Api, rate: int, window: int) -> None:
        self.breaking = Breaking(api, self.release.strategy)
        self.controls = Controls(
            rate,
            self._moved,
            lambda name, percent: self.set({name: percent}),
            self._switched,
            self.breaking.row,
        )
        self.controls.rate.observe(lambda change: setattr(self.stream, "rate", change["new"]), "value")
        self.presence = Presence(self._came, self._went, clock=self._clock)
        self.figure = SplitFigure(
            self._piece,
            lambda: colours_of(list(self.tally.weights)),
            lambda: self.presence.turned,
            window=window,
            clock=self._clock,
        )
        self.rule = SteeredRule(
            api,
            self.release,
            self.controls,
            self.breaking,
            adopted=self._adopted,
            lost=self._lost,
            clock=self._clock,
        )
        self._show_state()
        inside = [self.presence, self.controls.head, self.figure, self.controls.foot]
        self.box = widgets.VBox(inside, layout={"overflow": "hidden"})

    def _moved(self, name: str, percent: int) -> None:
        if percent != self.weights.get(name):  # else it follows another one
            self.set({name: percent})

    def _switched(self, wanted: bool) -> None:
        if wanted:
            self.start()
        else:
            self.pause()

    # ------------------------------------------------------------------------------------ the rule

    @property
    def weights(self) -> dict[str, int]:
        """Name → parts of 100, as the rule has them; empty where there is none."""
        return self.rule.weights

    @property
    def changed(self) -> Change | None:
        """The newest change made here; None where somebody else made one since."""
        return self.rule.made.change if self.rule.made else None

    @property
    def command(self) -> str:
        """The kubectl command that does what the sliders did last, with its manifest."""
        return self.rule.command

    def set(self, weights: int | Mapping[str, int]) -> None:
        """Give a destination so many of 100 requests, by the rule. Refusals stand in the panel.

        weights: name → part of 100: of one, whereupon the others share the rest as before, or of all. A
        number alone is that of the second of two.
        """
        self.rule.set(weights)

    def look(self) -> None:
        """See whether the rule is as it was: kubectl, lab.shift() and others change it, too."""
        self.rule.look()

    def _adopted(self, found: Held, at: float, is_other: bool, made: Made | None) -> None:
        if is_other:
            self._tell = self.release.tell(found)
        with self._lock:
            self._awaited, self.first_answer_ms = made, None
            self.tally.weigh(at, found.weights)
        self.figure.renew(whole=is_other, at_once=True)
        self._renew_left()

    def _lost(self) -> None:
        with self._lock:
            self.tally.weigh(self._clock.time(), dict.fromkeys(self.rule.names))
        self.figure.renew(whole=True)
        self._renew_left()

    # ------------------------------------------------------------------------------------ the stream

    def start(self) -> None:
        """Start the stream, or go on after a pause."""
        self._missed = False
        self._looking.start()
        self._doubt.start()
        self.stream.start()
        self._show_state()

    def pause(self) -> None:
        """Send no more for now."""
        self._missed, self._paused_at = False, self._clock.time()
        self.stream.pause()
        self._show_state()
        self.figure.renew(at_once=True)
        self._renew_left()

    def stop(self) -> None:
        """End the stream."""
        self.stream.close()
        self._looking.close()
        self._doubt.close()
        self._attributing.close()
        self.breaking.end()

    def _went(self) -> None:
        """Nobody has the panel before them any more."""
        if self.stream.running:
            self.pause()
            self._missed = True
            self._show_state()

    def _came(self) -> None:
        """The panel is seen (again)."""
        self._looking.start()
        if self._missed:
            self.start()

    # -------------------------------------------------------------------------------------- seeing

    def _take(self, rows: pd.DataFrame) -> None:
        """A handful of answers, in the stream's thread."""
        tell = self._tell
        if isinstance(tell, ByLog):
            self._attributing.put(rows, tell)
        else:
            self._count(rows, tell(rows))
        if self.stream.sent >= self.stream.total:
            self._show_state()

    def _count(self, rows: pd.DataFrame, told: Sequence[Told]) -> None:
        with self._lock:
            self.tally.add(told)
            self._note_error(rows, told)
            first = self._first_answer(rows)
        if not all(one.failed for one in told):
            self._doubt.all_is_well()
        if first:
            made, self.first_answer_ms = first
            told_words = gettext(
                "first answer by the new weights after {ms:.0f} ms",
                ms=self.first_answer_ms,
            )
            self.controls.show_change(self.rule.told(made), told_words)
        self._show_errors()
        self.figure.renew(at_once=not self.stream.running)
        self._renew_left()

    def _show_errors(self) -> None:
        """What is broken in the mesh, else the newest error that is in sight."""
        with self._lock:
            errors, _ = self.tally.errors(self._now())
        newest = gettext("The newest error: {error}", error=self._newest_error) if errors else ""
        self.controls.show_errors(self._doubt.told or newest)

    def _note_error(self, rows: pd.DataFrame, told: Sequence[Told]) -> None:
        wrong = [i for i, one in enumerate(told) if one.failed or one.tells_of_error]
        if wrong:
            who, words = told[wrong[-1]].name, error_in(rows.iloc[wrong[-1]])
            self._newest_error = f"{who}: {words}" if who else words

    def _first_answer(self, rows: pd.DataFrame) -> tuple[Made, float] | None:
        """A change, and the milliseconds from the move to the first answer to a request sent once all
        proxies knew."""
        if self._awaited is None:
            return None
        made = self._awaited
        sent = rows["time"].astype("int64") / 1e6
        arrived = (sent + rows["total_ms"] / 1000)[(sent >= made.change.at) & (rows["status"] < 400)]
        if arrived.empty:
            return None
        self._awaited = None
        return made, float(1000 * (arrived.min() - made.asked))

    def _now(self) -> float:
        """The end of what is shown: a pause stops the picture."""
        if self.stream.running:
            return self._clock.time()
        newest = self.tally.changes[-1][0] if self.tally.changes else 0.0
        return max(self._paused_at, newest, self.tally.newest)

    def _piece(self, whole: bool) -> dict[str, Any]:
        with self._lock:
            now = self._now()
            errors, seen = self.tally.errors(now)
            found = self.tally.piece(now, whole=whole)
        errors_seen = gettext("{errors} of {seen}", errors=errors, seen=seen) if errors else ""
        sent = (
            gettext("{sent} of {total} sent", sent=self.stream.sent, total=self.stream.total)
            if self.stream.sent
            else ""
        )
        return {**found, "at": round(now, 3), "errors": errors_seen, "sent": sent}

    def split(self) -> Split:
        """The shares observed within the window since the newest change, against the weights."""
        with self._lock:
            return self.tally.split(self._now())

    # --------------------------------------------------------------------------------------- words

    def _show_state(self) -> None:
        stream = self.stream
        done = stream.sent >= stream.total
        self.controls.show_state(running=stream.running, done=done, words=self._state(done=done))

    def _state(self, *, done: bool) -> str:
        if done:
            return gettext(
                "All {total} requests are sent. Run the cell again for more.", total=self.stream.total
            )
        if self.stream.failure:
            return gettext(
                "The stream ended: {failure}. Run the cell again to go on.", failure=self.stream.failure
            )
        if self._missed:
            return gettext("Paused: nobody looks.")
        return ""

    # ------------------------------------------------------------------------------------- showing

    def __repr__(self) -> str:
        return gettext(
            "A panel of widgets: {weights}. Run its cell to use it.",
            weights=listed(self.weights) or gettext("no rule"),
        )

    def left_behind(self) -> dict[str, Any]:
        """Its text; the rest is an output of its own, which is kept up to date."""
        self._left.show()
        return super().left_behind()

    def _renew_left(self) -> None:
        """What is worth another copy in the notebook: see :class:`LeftBehind`."""
        about = (self.weights, self.rule.problem, self.stream.sent > 0, bool(self._newest_error))
        self._left.renew(about, at_once=not self.stream.running or self.stream.sent >= self.stream.total)

    def _as_left(self) -> dict[str, str]:
        with self._lock:
            now = self._now()
            errors, seen = self.tally.errors(now)
            words = [gettext("{errors} of {seen} went wrong.", errors=errors, seen=seen)] if errors else []
            words += [self.rule.problem] if self.rule.problem else []
            return bundle(self.tally, now, colours_of(list(self.tally.weights)), " ".join(words))

    def still(self) -> dict[str, Any]:
        """A hundred requests by the weights there are, as a picture; the command is printed above."""
        from labkit.views.figures import plot_split

        answers = send(self._where(), requests=_STILL, concurrency=4, headers=self.release.headers)
        found = _with_failed(self._tell(answers), self.weights)
        has_rule, names = self.rule.held is not None, list(self.rule.names)
        if has_rule:
            print(f"$ {self.command}")
        title = (
            gettext("{names} by their weights", names=gettext(" and ").join(names))
            if has_rule
            else gettext("Who answered: there is no rule")
        )
        return plot_split(found, title, {**colours_of(names), titled(FAILED): ERROR}).bundle()


def _with_failed(told: Sequence[Told], weights: Mapping[str, int]) -> Split:
    """The shares of all answers: what failed is there as well, where there is any."""
    seen = [FAILED if one.failed else one.name for one in told]
    counts = {name: seen.count(name) for name in weights}
    if FAILED in seen:
        counts[titled(FAILED)] = seen.count(FAILED)
    if not weights:
        counts |= {name: seen.count(name) for name in dict.fromkeys(seen) if name not in (None, FAILED)}
    left_out = len(seen) - sum(counts.values())
    return split_counts(counts, weights if any(weights.values()) else None, left_out=left_out)
