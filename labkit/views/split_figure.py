"""The live figure of the split panel: columns of answers, and shares against weights second by second.

It is drawn by the page (``page/split.js``), from the pieces of a :class:`labkit.views.split_tally.Tally`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from labkit.clock import SYSTEM, Clock
from labkit.language import gettext_noop
from labkit.views.live_figure import PAGE, LiveFigure, Piece
from labkit.views.split_tally import FAILED, UNKNOWN, titled
from labkit.views.theme import ERROR, OTHER


class SplitFigure(LiveFigure):
    """*piece* gives what has been seen, *colours* those of the destinations, in their order."""

    _esm = (PAGE / "split.js").read_text()
    _css = (PAGE / "split.css").read_text()
    _messages = (
        gettext_noop("no answer"),
        gettext_noop("{count} of {total}"),
        gettext_noop("{seen} · weight {weight}"),
        gettext_noop("{seen} / w. {weight}"),
        gettext_noop("weight"),
        gettext_noop("share"),
        gettext_noop("errors: {errors}"),
        gettext_noop("errors: none"),
        gettext_noop("95 % within {ms} ms"),
        gettext_noop(
            "Bars: the share of each column above, with its 95 % interval; white marks: the weights."
        ),
        gettext_noop("Weights, shares, errors and times of the answers, second by second."),
    )

    def __init__(
        self,
        piece: Callable[[bool], Piece],
        colours: Callable[[], Mapping[str, str]],
        turned: Callable[[], float],
        *,
        window: float,
        clock: Clock = SYSTEM,
    ) -> None:
        self._seen, self._colours, self._window = piece, colours, window
        super().__init__(self._drawn, turned, clock=clock)

    def _drawn(self, whole: bool) -> Piece:
        return {**(self._frame() if whole else {}), **self._seen(whole)}

    def _frame(self) -> Piece:
        """What stays the same from piece to piece."""
        colours = self._colours()
        columns = {**colours, FAILED: ERROR, UNKNOWN: OTHER}
        return {
            "columns": [{"name": titled(name), "colour": colour} for name, colour in columns.items()],
            "destinations": len(colours),
            "error": ERROR,
            "window": self._window,
        }
