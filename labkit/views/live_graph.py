"""The mesh as a picture that follows its traffic, with arrows as wide as their share.

It is made of access logs and nothing else, again and again while somebody has it before them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from labkit.errors import LabkitError
from labkit.language import gettext
from labkit.views.graph import Graph, Mesh
from labkit.views.live import LiveView
from labkit.views.live_figure import PAGE, LiveFigure, Piece
from labkit.views.presence import Presence
from labkit.views.split_background import Looking
from labkit.views.svg import as_svg

_LOOK = 1.5
"""Seconds between two looks at the access logs."""


class LiveGraph(LiveView):
    """*draw* says how things are now, *still* is the same without widgets. ``close()`` ends it; so does
    running its cell again."""

    def __init__(self, draw: Callable[[], Mesh], still: Callable[[], Graph]) -> None:
        self._draw, self._still, self._words = draw, still, ""
        self.mesh = draw()
        """The newest look; its ``table`` has the same as a frame."""
        self._looking = Looking(self.look, _LOOK)
        self.presence = Presence(self._came, self._went)
        self.figure = _Figure(self._piece, lambda: self.presence.turned)
        self.box = widgets.VBox([self.presence, self.figure], layout={"overflow": "hidden"})
        self.replace_former()

    def _came(self) -> None:
        self._looking.start()

    def _went(self) -> None:
        """It rests until somebody comes: see :meth:`look`."""

    def look(self) -> None:
        """Draw it anew, where anybody looks."""
        if not self.presence.here:
            return
        try:
            self.mesh, self._words = self._draw(), ""
        except LabkitError as error:
            since = gettext("The picture stands still since {time}.", time=time.strftime("%H:%M:%S"))
            self._words = self._words or f"✗ {error} {since}"
        self.figure.renew()

    def _piece(self, whole: bool) -> Piece:
        return {"svg": as_svg(self.mesh.drawing, self.mesh.caption), "words": self._words}

    def stop(self) -> None:
        self._looking.close()

    def left_behind(self) -> dict[str, Any]:
        return {"text/plain": repr(self), "text/html": as_svg(self.mesh.drawing, self.mesh.caption)}

    def __repr__(self) -> str:
        return self.mesh.caption

    def still(self) -> dict[str, Any]:
        """The picture of this moment."""
        return self._still().bundle()


class _Figure(LiveFigure):
    _esm = (PAGE / "mesh.js").read_text()
