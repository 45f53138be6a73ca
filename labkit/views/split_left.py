"""What a split panel leaves in a saved notebook: how things stood, as a small table with bars.

It is an output of its own beside the widgets, which hide it (``page/split.css``). Where the notebook is
opened again and the kernel has no such widgets, it is what one sees. Each time it is written the notebook
has to be saved again, so that is done where something has come of what somebody did, and not by the clock.
"""

from __future__ import annotations

import html
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from labkit.clock import SYSTEM, Clock
from labkit.language import gettext, gettext_noop
from labkit.views.split_tally import FAILED, UNKNOWN, Tally, titled
from labkit.views.theme import ERROR, OTHER

_SETTLED = 10.0
"""Seconds after a change until there is something to see of what came of it."""
_AGAIN = gettext_noop("Run this cell again to get its sliders back.")


class LeftBehind:
    """*bundle* says how things stand."""

    def __init__(self, bundle: Callable[[], dict[str, Any]], *, clock: Clock = SYSTEM) -> None:
        self._bundle, self._id, self._clock = bundle, secrets.token_hex(8), clock
        self._about: object = None
        self._since, self._is_due, self._is_shown = 0.0, False, False

    def show(self) -> None:
        """Put it into the output of the cell that runs."""
        from IPython.display import display

        self._is_shown = True
        display(self._bundle(), raw=True, display_id=self._id)  # type: ignore[no-untyped-call]

    def renew(self, about: object, *, at_once: bool = False) -> None:
        """Write it anew, in any thread: once when *about* is another than before and what comes of that can
        be seen, or *at_once*. Often in a second is fine, but for that."""
        from IPython.display import update_display

        now = self._clock.monotonic()
        if about != self._about:
            self._about, self._since, self._is_due = about, now, True
        if self._is_shown and (at_once or (self._is_due and now - self._since >= _SETTLED)):
            self._is_due = False
            update_display(self._bundle(), raw=True, display_id=self._id)  # type: ignore[no-untyped-call]


def bundle(tally: Tally, now: float, colours: Mapping[str, str], words: str) -> dict[str, str]:
    """What *tally* has at the moment *now*; *words* about the rule and what went wrong."""
    counts, weights = tally.counts(now), tally.weights
    total = counts.total()
    at = time.strftime("%H:%M:%S", time.localtime(now))
    names = [*weights, *(name for name in (FAILED, UNKNOWN) if counts[name])]
    every = {**colours, FAILED: ERROR, UNKNOWN: OTHER}
    rows = "".join(_row(titled(name), every[name], counts[name], total, weights.get(name)) for name in names)
    told = [
        gettext("{name} {count} of {total}", name=titled(name), count=counts[name], total=total)
        for name in names
    ]
    told_when = gettext("At {time}.", time=at)
    return {
        "text/plain": gettext(
            "At {time}: {told}. {words}", time=at, told=", ".join(told), words=words
        ).rstrip(),
        "text/html": f'<div class="labkit-left"><table>{rows}</table>'
        f"<p>{html.escape(told_when)} {html.escape(words)} {gettext(_AGAIN)}</p></div>",
    }


def _row(name: str, colour: str, count: int, total: int, weight: int | None) -> str:
    share = 100 * count / total if total else 0.0
    bar = f'<div style="height:12px;width:{2 * share:.0f}px;background-color:{colour}"></div>'
    asked = "" if weight is None else gettext("weight {weight}", weight=weight)
    cells = [
        f"<b>{html.escape(name)}</b>",
        f"{share:.1f} %",
        gettext("{count} of {total}", count=count, total=total),
        asked,
        bar,
    ]
    return f"<tr>{''.join(f'<td style=text-align:left>{cell}</td>' for cell in cells)}</tr>"
