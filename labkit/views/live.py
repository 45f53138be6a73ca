"""Views made of widgets: alive where a front end shows widgets, still everywhere else, never left over.

A front end that shows widgets (JupyterLab, Notebook 7, VS Code) names the cell with each request to run
it; nbclient, papermill and nbval do not, and there a view shows its still twin. ipywidgets keeps every
widget of a kernel alive, so a view could never be forgotten by itself: when its cell runs again, the
views that cell made before are closed.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeAlias

import ipywidgets as widgets

PLOTLY = "application/vnd.plotly.v1+json"
Described: TypeAlias = tuple[dict[str, Any], dict[str, Any]]
"""A MIME bundle and its metadata, as IPython takes them."""


class LiveView:
    """What a cell shows as widgets.

    A subclass builds ``box``, says in :meth:`still` what is shown where no widgets are, and ends in
    :meth:`stop` whatever it has running.
    """

    box: widgets.Widget
    _by_cell: ClassVar[dict[tuple[str, str], tuple[str, list[LiveView]]]] = {}
    """What a cell made, by class and cell: in which run, and the views (a cell may make several)."""

    def still(self) -> dict[str, Any]:
        """The same without widgets: a MIME bundle with ``text/plain`` and, mostly, HTML or PNG."""
        raise NotImplementedError

    def stop(self) -> None:
        """End what runs for this view. Called once or more often."""

    def close(self) -> None:
        """End it and give its widgets back. Closing twice is fine."""
        self.stop()
        for widget in _all_of(self.box):
            widget.close()

    def replace_former(self) -> None:
        """Close the views of the same class that this cell made when it ran before."""
        if not (cell := running_cell()):
            return
        key, run = (type(self).__name__, cell), str(_request()["header"]["msg_id"])
        former, views = self._by_cell.get(key, (run, []))
        self._by_cell[key] = (run, [*views, self] if former == run else [self])
        if former != run:
            for view in views:
                view.close()

    def _repr_mimebundle_(self, **_: Any) -> Described:
        if not running_cell():
            return described(self.still())
        view: dict[str, Any] = self.box._repr_mimebundle_()
        return described({**view, **self.left_behind()})

    def left_behind(self) -> dict[str, Any]:
        """What a saved notebook shows of it when it is opened again and the kernel knows no such widgets."""
        return {"text/plain": repr(self)}


def described(bundle: dict[str, Any]) -> Described:
    """*bundle*, and as metadata what a picture in it shows, in words: pages and viewers make it ``alt``.

    A figure gets its picture from JupyterLab, which keeps one of what it has drawn.
    """
    is_picture = bundle.keys() & {"image/png", PLOTLY}
    return bundle, {"image/png": {"alt": str(bundle["text/plain"])}} if is_picture else {}


def running_cell() -> str | None:
    """The id of the cell that runs, where the front end shows widgets; else None."""
    metadata = _request().get("metadata") or {}
    cell: str | None = metadata.get("cellId")
    return cell


def _request() -> dict[str, Any]:
    """The message that asked for what runs now; empty without a kernel."""
    from IPython.core.getipython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    return (kernel.get_parent("shell") if kernel else None) or {}


def _all_of(widget: widgets.Widget) -> list[widgets.Widget]:
    """*widget* and what is in it. (Widget.close_all() would close those of every other view, too.)"""
    inside = [found for child in getattr(widget, "children", ()) for found in _all_of(child)]
    return [*inside, widget]
