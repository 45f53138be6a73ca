"""Tables as `kubectl get` prints them: the server makes the cells, we put them into a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labkit.kube.api import TABLE, Api
from labkit.kube.resources import Resource

if TYPE_CHECKING:
    import pandas as pd


def table(api: Api, resource: Resource, namespace: str = "", *, wide: bool = False) -> pd.DataFrame:
    """What `kubectl get` shows of *resource*: of every namespace, named too, where *namespace* is empty."""
    import pandas as pd

    answer = api.request("GET", resource.path(namespace), accept=TABLE).object
    columns = answer["columnDefinitions"]
    shown = [i for i, column in enumerate(columns) if wide or not column.get("priority")]
    rows = [[row["cells"][i] for i in shown] for row in answer.get("rows") or []]
    frame = pd.DataFrame(rows, columns=[columns[i]["name"].lower() for i in shown])
    if resource.namespaced and not namespace:
        names = [row["object"]["metadata"]["namespace"] for row in answer.get("rows") or []]
        frame.insert(0, "namespace", names)
    return frame
