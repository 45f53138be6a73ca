"""The live figure of the split panel: columns of answers, and shares against weights second by second.

It is drawn by the page (``page/split.js``), from the pieces of a :class:`labkit.views.split_tally.Tally`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from labkit.clock import SYSTEM, Clock
from labkit.views.live_figure import PAGE, LiveFigure, Piece
from labkit.views.split_tally import FAILED, UNKNOWN
from labkit.views.theme import ERROR, OTHER


class SplitFigure(LiveFigure):
    """*piece* gives what has been seen, *colours* those of the destinations, in their order."""

    _esm = (PAGE / "split.js").read_text()
    _css = (PAGE / "split.css").read_text()

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
            "columns": [{"name": name, "colour": colour} for name, colour in columns.items()],
            "destinations": len(colours),
            "error": ERROR,
            "window": self._window,
        }
