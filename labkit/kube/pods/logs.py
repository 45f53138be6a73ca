"""What containers have written, of one pod or of all pods a selector finds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from labkit.errors import ApiRefused
from labkit.kube.api.api import Api, Obj
from labkit.kube.api.resources import PODS


@dataclass(frozen=True)
class PodLog:
    """The log of one container, as bytes: parsers want them, and most lines are never looked at."""

    namespace: str
    pod: str
    container: str
    content: bytes

    def __repr__(self) -> str:
        return f"<log of {self.pod}/{self.container}, {self.content.count(10)} lines>"


def pods(api: Api, selector: str, namespace: str) -> list[Obj]:
    """The pods *selector* finds (``app=catalogue``), oldest first, those being deleted left out."""
    found = api.items(PODS.path(namespace), labelSelector=selector)
    living = [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]
    return sorted(living, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))


def read(
    api: Api,
    pods: Sequence[Obj],
    container: str,
    *,
    since: dt.datetime | None = None,
    tail: int | None = None,
) -> list[PodLog]:
    """The logs of *container* in each of *pods*, read side by side.

    since: leave out what was written before this moment. It is asked for as an age, so that it does not
        matter what the cluster's clock says; the API counts in whole seconds, and a little more comes.
    tail: only that many last lines of each.
    """
    query = {"container": container, "sinceSeconds": _age(since), "tailLines": tail}
    with ThreadPoolExecutor(max_workers=8) as threads:
        return list(threads.map(lambda pod: _read_one(api, pod, container, query), pods))


def _read_one(api: Api, pod: Obj, container: str, query: Mapping[str, object]) -> PodLog:
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    try:
        content = api.request("GET", f"{PODS.path(namespace, name)}/log", query=query, accept="*/*").body
    except ApiRefused as error:
        if error.code not in (400, 404):  # not started yet, or gone meanwhile: nothing written
            raise
        content = b""
    return PodLog(namespace, name, container, content)


def _age(moment: dt.datetime | None) -> int | None:
    """Whole seconds since *moment*, at least 1 as the API wants it."""
    return int((dt.datetime.now(dt.UTC) - moment).total_seconds()) + 2 if moment else None
