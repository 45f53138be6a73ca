"""The access logs of the whole mesh, and the lines that belong to given requests.

A request is found in three steps, on any mesh. Its tag stands in the User-Agent of the line that the
ingress gateway wrote. That line has the request id, which the services pass on and in whose place
further gateways put others (:mod:`labkit.traffic.one_request`), so every proxy's lines of it are
known. And each line names the pod it went on to, which therefore has to have a line as well; while
one is missing, the logs are still on their way.

That last step is what is waited for: no line is expected before another proxy has said where it sent
the request, and a sidecar writes the calls its pod made before the line of the request they were
made for. So when every line's next line is there, all are.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from labkit.clock import SYSTEM, Clock
from labkit.errors import ApiRefused, ClusterError
from labkit.kube.api.api import Api
from labkit.kube.api.tables import Listing
from labkit.kube.mesh.mesh_config import mesh_config
from labkit.kube.pods import logs
from labkit.kube.proxies.proxies import CONTAINER, Proxy, find_proxies, proxy_of
from labkit.traffic.access_log import Format, Unparsed, of_mesh, parse
from labkit.traffic.one_request import first_ids

_TAG = r"\(([0-9a-f]+(?:-\d+)?)\)$"
_PAUSES = (0.01, 0.02, 0.05, 0.1)
"""Seconds between two looks at the logs; the last one repeats."""


@dataclass(frozen=True)
class Lines:
    """The access-log lines of some requests."""

    frame: pd.DataFrame
    """As :func:`labkit.traffic.access_log.parse`, as they began, with ``app``, ``pod`` and ``request`` in
    front: the id under which the request came in, the same in all its lines."""
    request_ids: dict[str, str]
    """Tag → that id, for those the gateway has logged."""
    complete: bool
    """False where lines were still missing when time was up."""


class Journal:
    """Reads the access logs of every proxy of one cluster."""

    def __init__(
        self,
        api: Api,
        gateway_app: str = "istio-ingressgateway",
        *,
        namespaces: Sequence[str] = ("",),
        authorities: str = "",
        clock: Clock = SYSTEM,
    ) -> None:
        """*namespaces*: where to look for proxies, by default everywhere.

        authorities: a regular expression; of the lines of gateways, which others may use too, only those
        count whose authority it finds.
        """
        self._api = api
        self.gateway_app = gateway_app
        self.namespaces, self._authorities = namespaces, authorities
        self._clock = clock
        self._known: dict[tuple[str, str, int], Lines] = {}

    def read(self, selector: str, namespace: str, *, since: dt.datetime | None = None) -> pd.DataFrame:
        """Every line in the logs of the pods *selector* finds."""
        pods = logs.pods(self._api, selector, namespace)
        apps = {pod["metadata"]["name"]: (pod["metadata"].get("labels") or {}).get("app", "") for pod in pods}
        gateways = {proxy.pod for pod in pods if (proxy := proxy_of(pod)) and proxy.is_gateway}
        read = logs.read(self._api, pods, CONTAINER, since=since)
        return self._ours(_together(((log, apps[log.pod]) for log in read), self._formats()), gateways)

    def recent(self, seconds: float) -> pd.DataFrame:
        """The lines every proxy has written in the last *seconds*, by the cluster's own clock."""
        already_added = dt.timedelta(seconds=2)  # by logs.read(), for callers that name a moment
        since = (
            dt.datetime.fromtimestamp(self._clock.time(), dt.UTC)
            - dt.timedelta(seconds=seconds)
            + already_added
        )
        return self._read_all(find_proxies(self._api, self.namespaces), since, self._formats())

    def lines_of(
        self, tags: Sequence[str], since: dt.datetime, *, timeout: float = 5.0, again: bool = False
    ) -> Lines:
        """The lines of the requests that carry *tags*, sent after *since*, in every proxy's log.

        Waits until all have arrived that others tell of, *timeout* seconds at most. again: look once more,
        where that was so already.
        """
        key = (tags[0], tags[-1], len(tags)) if len(tags) else ("", "", 0)
        if again or key not in self._known:
            lines = self._wait_for(set(tags), since, timeout)
            if not lines.complete:
                return lines
            self._known = {key: lines}  # the newest only: it is asked for again and again
        return self._known[key]

    def _wait_for(self, tags: Collection[str], since: dt.datetime, timeout: float) -> Lines:
        deadline, formats = self._clock.monotonic() + timeout, self._formats()
        for attempt in range(1_000_000):
            proxies = find_proxies(self._api, self.namespaces)
            lines = self._look(tags, since, proxies, formats)
            if lines.complete or self._clock.monotonic() > deadline:
                return lines
            self._clock.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
        raise AssertionError("the deadline comes first")

    def _look(
        self, tags: Collection[str], since: dt.datetime, proxies: Sequence[Proxy], formats: Sequence[Format]
    ) -> Lines:
        everything = self._read_all(proxies, since, formats)
        at_gateway = everything[everything["app"] == self.gateway_app]
        marks = at_gateway["user_agent"].str.extract(_TAG, expand=False)
        ours = marks.isin(list(tags))
        entered = at_gateway.loc[ours, "pod"].value_counts().to_dict()
        ids = dict(zip(marks[ours], at_gateway.loc[ours, "request_id"], strict=True))
        everything.insert(2, "request", first_ids(everything))
        frame = everything[everything["request"].isin(list(ids.values()))]
        # Of two that began in the same millisecond, the longer one holds the other.
        frame = frame.sort_values(
            ["start_time", "duration"], ascending=[True, False], kind="stable", ignore_index=True
        )
        complete = len(ids) == len(tags) and not _missing(frame, proxies, entered)
        return Lines(frame, ids, complete)

    def _formats(self) -> list[Format]:
        """What the mesh's settings say of its access log; nothing where they are not ours to read."""
        try:
            return of_mesh(mesh_config(self._api))
        except (ApiRefused, ClusterError):
            return []

    def _read_all(
        self, proxies: Sequence[Proxy], since: dt.datetime, formats: Sequence[Format]
    ) -> pd.DataFrame:
        pods = [{"metadata": {"namespace": proxy.namespace, "name": proxy.pod}} for proxy in proxies]
        apps = {proxy.pod: proxy.app for proxy in proxies}
        read = logs.read(self._api, pods, CONTAINER, since=since)
        gateways = {proxy.pod for proxy in proxies if proxy.is_gateway}
        return self._ours(_together(((log, apps[log.pod]) for log in read), formats), gateways)

    def _ours(self, frame: pd.DataFrame, gateways: Collection[str]) -> pd.DataFrame:
        """*frame* without the lines that *gateways* wrote about the requests of others.

        Ours are those that name us, and those whose request our own sidecars know.
        """
        if not self._authorities:
            return frame
        named = frame["authority"].astype("str").str.contains(self._authorities, regex=True, na=False)
        elsewhere = ~frame["pod"].isin(list(gateways))
        requests = first_ids(frame)
        known = requests.isin(set(requests[elsewhere].dropna()))
        return frame[named | elsewhere | known].reset_index(drop=True)


def _together(read: Iterable[tuple[logs.PodLog, str]], formats: Sequence[Format]) -> pd.DataFrame:
    frames, unparsed = [], []
    for log, app in read:
        frame = parse(log.content, formats)
        frame.insert(0, "app", app)
        frame.insert(1, "pod", log.pod)
        unparsed += list(frame.attrs.pop("unparsed"))
        frames.append(frame)
    together = Listing(_concatenated(frames))
    together.attrs["unparsed"] = Unparsed(unparsed)
    return together


def _concatenated(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """One frame; the categories of each column are those of all."""
    if not frames:
        frames = [_nothing()]
    filled = [frame for frame in frames if len(frame)] or frames[:1]
    for column in filled[0].columns:
        if isinstance(filled[0][column].dtype, pd.CategoricalDtype):
            # A column with nothing but "-" has no categories, and those are of no type.
            known = (category for frame in filled for category in frame[column].cat.categories)
            wanted = pd.Index(dict.fromkeys(known), dtype="str")
            for frame in filled:
                frame[column] = frame[column].cat.set_categories(wanted)
    return pd.concat(filled, ignore_index=True)


def _nothing() -> pd.DataFrame:
    frame = parse(b"")
    frame.insert(0, "app", pd.Series(dtype="str"))
    frame.insert(1, "pod", pd.Series(dtype="str"))
    return frame


def _missing(frame: pd.DataFrame, proxies: Sequence[Proxy], entered: Mapping[Hashable, int]) -> bool:
    """Whether some proxy has fewer lines than others say they sent to it.

    entered: gateway pod → how many of its lines come from outside the mesh.
    """
    clusters = frame["upstream_cluster"].astype("str")
    inbound = clusters.str.startswith("inbound|").fillna(False)
    sent_to: Counter[str] = Counter()
    for host, count in frame.loc[~inbound, "upstream_host"].value_counts().items():
        sent_to[str(host).rpartition(":")[0]] += count
    for proxy in proxies:
        its_lines = frame["pod"] == proxy.pod
        arrived = int((its_lines if proxy.is_gateway else its_lines & inbound).sum())
        if arrived - entered.get(proxy.pod, 0) < sent_to[proxy.ip]:
            return True
    return False
