"""Tables as `kubectl get` prints them: the server makes the cells, we put them into a frame."""

from __future__ import annotations

import pandas as pd

from labkit.kube.api import TABLE, Api
from labkit.kube.resources import Resource


class Table(pd.DataFrame):
    """A frame that prints as kubectl does: all columns, left-aligned, without an index."""

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame  # a selection is a frame as any other

    def __repr__(self) -> str:
        titles = [str(name).upper() for name in self.columns]
        rows = [titles, *self.astype("str").fillna("").to_numpy().tolist()]
        widths = [max(len(row[n]) for row in rows) for n in range(len(titles))]
        lines = ["   ".join(row[n].ljust(width) for n, width in enumerate(widths)) for row in rows]
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        return str(self.to_html(index=False, justify="left", na_rep=""))


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
