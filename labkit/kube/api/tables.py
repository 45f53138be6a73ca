"""Tables as `kubectl get` prints them: the server makes the cells, we put them into a frame."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from labkit.kube.api.api import TABLE, Api
from labkit.kube.api.resources import NAMESPACES, Resource

_TO_THE_LEFT = 'style="text-align:left"'
_IN_CELLS = re.compile(r"(?<=>)[^<>\n]+(?=<)")
_BREAKABLE = re.compile(r"[_|](?=[^_|])|(?<=[a-z])[.:](?=[a-z0-9])")
"""Where a name may go on in the next line, beside its dashes: a narrow page cuts no column off then."""
_MOST_ROWS, _MOST_COLUMNS = 60, 20
"""What pandas shows of a frame in a notebook by default."""


def as_html(frame: pd.DataFrame, *, index: bool = True, empty: str = "") -> str:
    """*frame* for a notebook: words to the left, under their titles, and none cut off.

    pandas cuts a cell after 50 characters, and the end of a host's name is what tells it from another.
    """
    with pd.option_context("display.max_colwidth", None):
        text = frame.to_html(
            index=index, na_rep=empty, max_rows=_MOST_ROWS, max_cols=_MOST_COLUMNS, show_dimensions=False
        )
    text = text.replace(">&lt;NA&gt;<", f">{empty}<")  # na_rep is not for extension types
    for tag in ("th", "td"):
        text = text.replace(f"<{tag}>", f"<{tag} {_TO_THE_LEFT}>")
    return _IN_CELLS.sub(lambda cell: _BREAKABLE.sub(r"\g<0><wbr>", cell[0]), str(text))


class Listing(pd.DataFrame):
    """A frame as any other, but shown by :func:`as_html`. Where nothing is, ``-``, as in Envoy's logs."""

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return Listing

    def _repr_html_(self) -> str:
        return as_html(self, empty="-")


class Table(pd.DataFrame):
    """A frame that prints as kubectl does: all columns, left-aligned, without an index."""

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return Listing

    def __repr__(self) -> str:
        titles = [str(name).upper() for name in self.columns]
        rows = [titles, *self.astype("str").fillna("").to_numpy().tolist()]
        widths = [max(len(row[n]) for row in rows) for n in range(len(titles))]
        lines = ["   ".join(row[n].ljust(width) for n, width in enumerate(widths)) for row in rows]
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        return as_html(self, index=False)


def table_of(api: Api, resource: Resource, namespaces: Sequence[str]) -> Table:
    """What `kubectl get` shows of *resource* in several namespaces, each named; ``""`` is all of them."""
    if "" in namespaces:
        return table(api, resource)
    there = [name for name in namespaces if api.find(NAMESPACES.path("", name))]
    frames = [table(api, resource, name) for name in there]
    for frame, name in zip(frames, there, strict=True):
        frame.insert(0, "namespace", name)
    return Table(pd.concat(frames, ignore_index=True) if frames else None)


def table(api: Api, resource: Resource, namespace: str = "", *, wide: bool = False) -> Table:
    """What `kubectl get` shows of *resource*: of every namespace, named too, where *namespace* is empty."""
    answer = api.request("GET", resource.path(namespace), accept=TABLE).object
    columns = answer["columnDefinitions"]
    shown = [i for i, column in enumerate(columns) if wide or not column.get("priority")]
    rows = [[row["cells"][i] for i in shown] for row in answer.get("rows") or []]
    frame = Table(rows, columns=[columns[i]["name"].lower() for i in shown])
    if resource.namespaced and not namespace:
        names = [row["object"]["metadata"]["namespace"] for row in answer.get("rows") or []]
        frame.insert(0, "namespace", names)
    return frame
