"""A release's picture: kept as plotly's plain JSON, which is small, and drawn when a report is made."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from labkit.release.course import Shift
from labkit.views.picture import plain, still
from labkit.views.shift import plot_shift


def kept(shift: Shift) -> dict[str, Any]:
    """The picture of *shift*, as a record keeps it."""
    drawn = plain(plot_shift(shift).figure)
    return {"data": drawn["data"], "layout": drawn["layout"]}


def drawn(picture: Mapping[str, Any]) -> str:
    """A PNG of it as a ``data:`` URL; nothing where it is no such picture: records may hold anything."""
    try:
        png = still(go.Figure(picture))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return ""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
