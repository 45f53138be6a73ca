"""Weight sliders with a live split: move one, and see the traffic move.

A slider changes the real VirtualService; a stream of real requests shows what comes of it. The stream
runs in a thread of its own, starts only when asked to, ends at its total, and pauses while nobody has
the panel before them. The rule is looked at all the time: others may change it, rename it, take it away.

Where no widgets are (nbconvert, papermill), the panel sends a hundred requests and shows them, still.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import pandas as pd

from labkit.errors import LabkitError, UsageError
from labkit.kube.acknowledgement import Strategy
from labkit.kube.api import Api
from labkit.release import change
from labkit.release.attribution import ByAnswer, ByLog, Tell, Told, error_in
from labkit.release.held import Held
from labkit.release.rule import Rule
from labkit.traffic.answers import send
from labkit.traffic.split import Split, split_counts
from labkit.traffic.stream import Stream, Where
from labkit.traffic.target import Headers
from labkit.views.live import LiveView
from labkit.views.presence import Presence
from labkit.views.split_background import Attributing, Looking
from labkit.views.split_break import Breaking
from labkit.views.split_controls import Controls
from labkit.views.split_doubt import Doubt
from labkit.views.split_figure import SplitFigure
from labkit.views.split_left import LeftBehind, bundle
from labkit.views.split_tally import FAILED, Tally
from labkit.views.theme import ERROR, colours_of

__all__ = ["Release", "SplitPanel"]

_STILL = 100


@dataclass(frozen=True)
class Release:
    """What a panel is about."""

    find: Callable[[], Held | None]
    """The rule as it is now. Raises LabkitError where the cluster does not say."""
    tell: Callable[[Held], Tell]
    """What tells whose an answer is."""
    missing: str
    """What to say where there is no rule."""
    trouble: Callable[[], str] = str
    """What is broken in the mesh itself; nothing where it works."""
    names: Sequence[str] = ()
    """Whom answers may come from where there is no rule, as they greet."""
    strategy: Strategy | None = None
    headers: Headers | None = None
    """Of the requests."""


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
    ) -> None:
        self._api, self._where, self.release = api, where, release
        self._lock, self._setting = threading.RLock(), threading.RLock()
        self._held: Held | None = None
        self._problem: str | None = None
        self._newest_error = ""
        self._asked: tuple[float, float] | None = None
        self._missed, self._paused_at = False, time.time()
        self._tell: Tell = ByAnswer({name: name for name in release.names})
        self.first_answer_ms: float | None = None
        """From the slider's move to the first answer by the new weights; None before one came."""
        self.changed: change.Change | None = None
        """The newest change made here."""
        self.tally = Tally(window)
        self.stream = Stream(where, self._take, headers=release.headers, rate=rate, total=total)
        self._looking, self._attributing = Looking(self.look), Attributing(self._count)
        self._doubt = Doubt(release.trouble, lambda: self.stream.running, lambda _: self._show_errors())
        self._left = LeftBehind(self._as_left)
        self._build(rate, window)
        self.look()
        self.replace_former()

    # ------------------------------------------------------------------------------------- widgets

    def _build(self, rate: int, window: int) -> None:
        self.breaking = Breaking(self._api, self.release.strategy)
        self.controls = Controls(
            rate, self._moved, lambda name, percent: self.set({name: percent}), self.breaking.row
        )
        self.controls.button.on_click(lambda _: self.pause() if self.stream.running else self.start())
        self.controls.rate.observe(lambda change: setattr(self.stream, "rate", change["new"]), "value")
        self.presence = Presence(self._came, self._went)
        self.figure = SplitFigure(
            self._piece, lambda: colours_of(list(self.tally.weights)), self._turned, window=window
        )
        self._show_state()
        inside = [self.presence, self.controls.head, self.figure, self.controls.foot]
        self.box = widgets.VBox(inside, layout={"overflow": "hidden"})

    def _turned(self) -> float:
        return self.presence.turned

    def _moved(self, name: str, percent: int) -> None:
        if percent != self.weights.get(name):  # else it follows another one
            self.set({name: percent})

    # ------------------------------------------------------------------------------------ the rule

    @property
    def weights(self) -> dict[str, int]:
        """Name → parts of 100, as the rule has them; empty where there is none."""
        return self._held.weights if self._held else {}

    def set(self, weights: int | Mapping[str, int]) -> None:
        """Give a destination so many of 100 requests, by the rule. Refusals stand in the panel.

        weights: name → part of 100: of one, whereupon the others share the rest as before, or of all. A
        number alone is that of the second of two.
        """
        with self._setting:
            asked = time.time()
            try:
                held = self._still_the_same()
                changed = held.write(self._api, _wanted(held, weights), strategy=self.release.strategy)
            except LabkitError as error:
                self.controls.weigh(self.weights)
                self.controls.show_refusal(str(error))
                return
            with self._lock:
                self.changed, self._asked, self.first_answer_ms = changed, (asked, changed.at), None
            self._adopt(Held(changed.rule, held.numbers), changed.at)
            self.controls.show_change(self._told(changed))

    def _still_the_same(self) -> Held:
        """The rule as it is now; UsageError where it isn't the one whose sliders are shown."""
        found, before = self.release.find(), self._held
        if found is None:
            self._lose(self.release.missing)
            raise UsageError(self.release.missing)
        if before is None or before.destinations != found.destinations:
            self._adopt(found, time.time())
            raise UsageError("The rule leads elsewhere than a moment ago: look at it, then set it again.")
        self._problem = None
        return found

    def look(self) -> None:
        """See whether the rule is as it was: kubectl, lab.shift() and others change it, too."""
        if not self._setting.acquire(blocking=False):
            return
        try:
            self.breaking.look()
            found, problem = self._found()
            if found is None:
                self._lose(problem)
            elif self._problem or not self._held or _seen(found) != _seen(self._held):
                words = self._words_of(found)
                self.changed = self._asked = None
                self._adopt(found, time.time())
                self.controls.show_change(words) if words else self.controls.change.set_trait("value", "")
        finally:
            self._setting.release()

    def _found(self) -> tuple[Held | None, str]:
        try:
            return self.release.find(), self.release.missing
        except LabkitError as error:
            return None, f"The cluster does not answer: {error} The panel goes on when it does."

    def _words_of(self, found: Held) -> str:
        """What has become of the rule since the last look; nothing at the first one."""
        weights = _listed(found.weights)
        if self._problem:
            return f"{weights}: the rule is there again"
        if self._held is None:
            return ""
        if self._held.rule.name != found.rule.name:
            return f"{weights}: by the rule {found.rule.name} now"
        return f"{weights}: set elsewhere"

    def _adopt(self, found: Held, at: float) -> None:
        """From *at* on this is the rule."""
        is_other = self._held is None or self._held.destinations != found.destinations
        self._held, self._problem = found, None
        if is_other:
            self._tell = self.release.tell(found)
            self.controls.offer(found.weights, colours_of(found.names))
            self.breaking.offer(found.destinations)
        with self._lock:
            self.tally.weigh(at, found.weights)
        self.controls.weigh(found.weights)
        self.controls.enable(enabled=len(found.names) > 1)
        self.controls.show_command(self.command)
        self.figure.renew(whole=is_other, at_once=True)
        self._left.renew(at_once=True)

    def _lose(self, words: str) -> None:
        """There is no rule, or nobody to ask for it."""
        if words == self._problem:
            return
        self._problem = words
        names = self._held.names if self._held else self.release.names
        with self._lock:
            self.tally.weigh(time.time(), dict.fromkeys(names))
        self.controls.enable(enabled=False)
        self.controls.show_refusal(words)
        self.figure.renew(whole=True)

    @property
    def command(self) -> str:
        """The kubectl command that does what the sliders did last, with its manifest."""
        if self._held is None:
            raise UsageError(self.release.missing)
        return self.changed.command if self.changed else change.command(self._held.rule)

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
        self._missed, self._paused_at = False, time.time()
        self.stream.pause()
        self._show_state()
        self.figure.renew(at_once=True)
        self._left.renew(at_once=True)

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
            first, changed = self._first_answer(rows), self.changed
        if not all(one.failed for one in told):
            self._doubt.all_is_well()
        if first is not None and changed:
            self.first_answer_ms = first
            told_words = f"first answer by the new weights after {first:.0f} ms"
            self.controls.show_change(self._told(changed), told_words)
        self._show_errors()
        self.figure.renew(at_once=not self.stream.running)
        self._left.renew()

    def _show_errors(self) -> None:
        """What is broken in the mesh, else the newest error that is in sight."""
        with self._lock:
            errors, _ = self.tally.errors(self._now())
        newest = f"The newest error: {self._newest_error}" if errors else ""
        self.controls.show_errors(self._doubt.told or newest)

    def _note_error(self, rows: pd.DataFrame, told: Sequence[Told]) -> None:
        wrong = [i for i, one in enumerate(told) if one.failed or one.tells_of_error]
        if wrong:
            who, words = told[wrong[-1]].name, error_in(rows.iloc[wrong[-1]])
            self._newest_error = f"{who}: {words}" if who else words

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

    def _now(self) -> float:
        """The end of what is shown: a pause stops the picture."""
        if self.stream.running:
            return time.time()
        newest = self.tally.changes[-1][0] if self.tally.changes else 0.0
        return max(self._paused_at, newest, self.tally.newest)

    def _piece(self, whole: bool) -> dict[str, Any]:
        with self._lock:
            now = self._now()
            errors, seen = self.tally.errors(now)
            found = self.tally.piece(now, whole=whole)
        errors_seen = f"{errors} of {seen}" if errors else ""
        sent = f"{self.stream.sent} of {self.stream.total} sent" if self.stream.sent else ""
        return {**found, "at": round(now, 3), "errors": errors_seen, "sent": sent}

    def split(self) -> Split:
        """The shares observed within the window since the newest change, against the weights."""
        with self._lock:
            return self.tally.split(self._now())

    # --------------------------------------------------------------------------------------- words

    def _told(self, changed: change.Change) -> str:
        return f"{_listed(self.weights)}: {changed.sentence}"

    def _show_state(self) -> None:
        stream = self.stream
        done = stream.sent >= stream.total
        self.controls.show_state(running=stream.running, done=done, words=self._state(done=done))

    def _state(self, *, done: bool) -> str:
        if done:
            return f"All {self.stream.total} requests are sent. Run the cell again for more."
        if self.stream.failure:
            return f"The stream ended: {self.stream.failure}. Run the cell again to go on."
        if self._missed:
            return "Paused: nobody looks."
        return ""

    # ------------------------------------------------------------------------------------- showing

    def __repr__(self) -> str:
        return f"A panel of widgets: {_listed(self.weights) or 'no rule'}. Run its cell to use it."

    def left_behind(self) -> dict[str, Any]:
        """Its text; the rest is an output of its own, which is kept up to date."""
        self._left.show()
        return super().left_behind()

    def _as_left(self) -> dict[str, str]:
        with self._lock:
            now = self._now()
            errors, seen = self.tally.errors(now)
            words = [f"{errors} of {seen} went wrong."] if errors else []
            words += [self._problem] if self._problem else []
            return bundle(self.tally, now, colours_of(list(self.tally.weights)), " ".join(words))

    def still(self) -> dict[str, Any]:
        """A hundred requests by the weights there are, as a picture; the command is printed above."""
        from labkit.views.figures import plot_split

        answers = send(self._where(), requests=_STILL, concurrency=4, headers=self.release.headers)
        found = _with_failed(self._tell(answers), self.weights)
        if self._held:
            print(f"$ {self.command}")
        names = list(self.weights) or list(self.release.names)
        title = f"{' and '.join(names)} by their weights" if self._held else "Who answered: there is no rule"
        return plot_split(found, title, {**colours_of(names), FAILED: ERROR}).bundle()


def _wanted(held: Held, weights: int | Mapping[str, int]) -> Rule:
    """The rule with these weights; UsageError for names and numbers that make no sense."""
    names = held.names
    if not isinstance(weights, Mapping):
        if len(names) != 2:
            raise UsageError(f"Say whose weight it is, as in panel.set({{{names[-1]!r}: 40}}).")
        weights = {names[1]: weights}
    if unknown := [name for name in weights if name not in names]:
        raise UsageError(
            f"The rule leads to {' and '.join(names)}, not to {' and '.join(map(str, unknown))}."
        )
    if len(weights) == 1:
        ((name, percent),) = weights.items()
        return held.sharing(name, percent)
    if len(weights) < len(names) or sum(weights.values()) != 100:
        raise UsageError(f"Give the weight of one, or those of {' and '.join(names)}, which make 100.")
    by_number = sorted(names, key=held.numbers.__getitem__)
    return held.rule.with_weights([weights[name] for name in by_number])


def _with_failed(told: Sequence[Told], weights: Mapping[str, int]) -> Split:
    """The shares of all answers: what failed is there as well, where there is any."""
    seen = [FAILED if one.failed else one.name for one in told]
    counts = {name: seen.count(name) for name in [*weights, FAILED] if name in weights or FAILED in seen}
    if not weights:
        counts |= {name: seen.count(name) for name in dict.fromkeys(seen) if name}
    left_out = len(seen) - sum(counts.values())
    return split_counts(counts, weights if any(weights.values()) else None, left_out=left_out)


def _seen(held: Held) -> object:
    """What a look compares."""
    return held.rule.name, held.destinations, held.weights


def _listed(weights: Mapping[str, int]) -> str:
    if len(weights) > 2:
        weights = {name: weight for name, weight in weights.items() if weight}
    return ", ".join(f"{name} {weight}" for name, weight in weights.items())
