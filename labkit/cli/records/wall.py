"""``labkit class``: who is where, who is stuck and for how long; live in a terminal, else printed once."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from labkit.kube.connecting.connect import connect
from labkit.language import gettext, ngettext
from labkit.record.classroom import the_class, watched
from labkit.record.story import Standing
from labkit.scenario.data import Scenario

_EVERY = 1.0
"""Seconds between two looks at the clock; what happens is told by watches."""
_FRAME = 6
"""Lines of a table that are no learner's."""


def show(context: str | None, scenario: Scenario, *, once: bool) -> None:
    """Print the class that works through *scenario*, or show it until Ctrl-C."""
    api = connect(context=context, start=False)
    console, steps = Console(highlight=False), [step.number for step in scenario.steps]
    if once or not sys.stdout.isatty():
        console.print(wall(the_class(api).standings, _now(), steps))
        return
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            for found in watched(api, _EVERY):
                room = max(1, console.height - _FRAME)
                live.update(wall(found.standings, _now(), steps, room), refresh=True)
    except KeyboardInterrupt:
        return


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def wall(
    standings: Mapping[str, Standing], now: dt.datetime, steps: Sequence[int], room: int | None = None
) -> Table:
    """The table at *now*; with room for so many learners only, those who are stuck longest come first.

    steps: the numbers of those there are.
    """
    table = Table(title=_title(standings))
    for head in (gettext("Learner"), gettext("Step"), gettext("Done")):
        table.add_column(head, no_wrap=True)
    table.add_column(gettext("Stuck at"), overflow="fold")
    for head in (gettext("For"), gettext("Last seen")):
        table.add_column(head, no_wrap=True, justify="right")
    shown = _chosen(standings, now, room)
    for name in shown:
        table.add_row(*_row(name, standings[name], now, steps))
    if left := len(standings) - len(shown):
        table.caption = ngettext("and {number} more", "and {number} more", left)
    return table


def _title(standings: Mapping[str, Standing]) -> str:
    stuck = sum(bool(one.stuck_at) for one in standings.values())
    count = ngettext("{number} learner", "{number} learners", len(standings))
    return gettext("{learners}, {stuck} of them stuck", learners=count, stuck=stuck)


def _chosen(standings: Mapping[str, Standing], now: dt.datetime, room: int | None) -> list[str]:
    if room is None or len(standings) <= room:
        return list(standings)
    return sorted(standings, key=lambda name: (standings[name].since or now, name))[:room]


def _row(name: str, one: Standing, now: dt.datetime, steps: Sequence[int]) -> Iterator[Text]:
    yield _plain(name or gettext("without a name"))
    yield Text("–" if one.step is None else str(one.step))
    yield Text("".join("●" if step in one.done else "○" for step in steps))
    yield _plain(one.stuck_at)
    yield Text(_span(now, one.since))
    yield Text(_span(now, one.last))


def _plain(words: str) -> Text:
    """*words* that somebody else wrote, without what a terminal would do something for."""
    return Text("".join(sign if sign.isprintable() else "?" for sign in words))


def _span(now: dt.datetime, then: dt.datetime | None) -> str:
    """How long ago: ``40 s``, ``12 min``, ``3 h``, ``2 d``."""
    if then is None:
        return ""
    seconds = max(0, int((now - then).total_seconds()))
    for size, words in ((86400, gettext("{n} d")), (3600, gettext("{n} h")), (60, gettext("{n} min"))):
        if seconds >= size:
            return words.format(n=seconds // size)
    return gettext("{n} s", n=seconds)
