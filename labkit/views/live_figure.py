"""Plotly's FigureWidget, for figures that change while they are shown.

Its page code is plotly's own, in a small wrapper (``page/figure.js``) that mends two things: the listeners
of a view go with the view, so an update may come at any time, also while its cell is run again; and the
page sends nothing back. Each new view is sent the newest values, as updates that came while it was
loading had nobody to hear them.
"""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import Any

import plotly
import plotly.graph_objects as go
from traitlets import Unicode, default

PAGE = Path(__file__).parent / "page"
_OWN = ("type", "uid", "name")
"""Of a trace: what stays as it is."""
_SIZE = ("width", "height")
"""Of the layout: told again, plotly would no longer fit the figure to its place."""


class LiveFigure(go.FigureWidget):  # type: ignore[misc]
    """A figure as wide as its place."""

    _esm = (PAGE / "figure.js").read_text()
    _plotly = Unicode().tag(sync=True)

    def __init__(self, figure: go.Figure) -> None:
        super().__init__(figure)
        self._lock = threading.RLock()
        self._view_count = None  # else a page that is left still wants to say that it has one view less
        self._config = {"responsive": True, "displayModeBar": False}
        self.on_msg(_heard)

    @property
    def lock(self) -> threading.RLock:
        """Whoever changes the figure in a thread holds it. (Plotly refuses public attributes.)"""
        return self._lock

    @default("_plotly")
    def _its_code(self) -> str:
        return _code()

    def send_all(self) -> None:
        """Send every value there is, also what the page should know."""
        with self.lock:
            for index, trace in enumerate(self._data):
                values = {name: [value] for name, value in trace.items() if name not in _OWN}
                self._send_restyle_msg(values, index)
            self._send_relayout_msg({k: v for k, v in self._layout.items() if k not in _SIZE})


@cache
def _code() -> str:
    return (Path(plotly.__file__).parent / "package_data" / "widgetbundle.js").read_text()


def _heard(figure: LiveFigure, content: dict[str, Any], _: object) -> None:
    if content.get("shown"):
        figure.send_all()
