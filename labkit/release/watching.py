"""What a shift sees of the traffic it moves: a stream of requests, its answers and the access logs."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Protocol

import pandas as pd

from labkit.clock import SYSTEM, Clock
from labkit.kube.api.api import Api
from labkit.kube.mesh.backends import pods_behind
from labkit.kube.mesh.destinations import Destination
from labkit.kube.proxies.proxies import Proxy, find_proxies
from labkit.release.copies import COPIES, Copies, copies_of
from labkit.release.health import Seen, seen
from labkit.traffic.journal import Journal, Lines
from labkit.traffic.stream import Stream, Where
from labkit.traffic.target import Headers

_GRACE = 1.0
"""Seconds that the line of a copy may take to come, beside the time that it may take itself."""


class Watch(Protocol):
    """Traffic, and what becomes of it. Moments are seconds since the epoch."""

    def start(self) -> None:
        """Let it flow."""

    def close(self) -> None:
        """End it."""

    def answers(self, since: float) -> int:
        """How many answers came to requests sent after *since*."""

    def seen(self, since: float) -> Seen:
        """What became of those requests."""

    def copied(self, since: float, *, of_all: bool) -> tuple[Seen, Copies]:
        """What became of those requests, and of the copies of them; of_all: of every one there is one."""

    def everything(self) -> pd.DataFrame:
        """Every answer, as send() has them."""


class Traffic:
    """A stream of real requests, seen by its answers and by the logs of all proxies."""

    def __init__(
        self,
        api: Api,
        where: Where,
        journal: Journal,
        names: Mapping[Destination, str],
        to: Destination,
        *,
        namespace: str,
        slow_ms: float,
        rate: float,
        total: int,
        headers: Headers | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        """names: what to call each destination of the rule; *to* the one that gets the traffic.

        namespace: of the callers. total: requests at most. Headers and rate as Stream has them.
        """
        self._api, self._journal, self._names, self._to = api, journal, names, to
        self._namespace, self._slow_ms, self._clock = namespace, slow_ms, clock
        self._kept = Kept()
        self._stream = Stream(where, self._kept.take, headers=headers, rate=rate, total=total, clock=clock)

    def start(self) -> None:
        self._stream.start()

    def close(self) -> None:
        self._stream.close()

    def answers(self, since: float) -> int:
        return len(self._kept.since(since))

    def everything(self) -> pd.DataFrame:
        return self._kept.since(0)

    def seen(self, since: float) -> Seen:
        answers = self._kept.since(since)
        return self._seen(answers, self._lines(answers), self._proxies())

    def copied(self, since: float, *, of_all: bool) -> tuple[Seen, Copies]:
        answers = self._kept.since(since)
        # Nobody tells whether a copy's line is still to come: each look is a new one.
        lines, proxies = self._lines(answers, again=True), self._proxies()
        ids, pods = lines.request_ids, pods_behind(self._api, self._to, self._namespace) or []
        copies = copies_of(
            lines.frame,
            proxies,
            list(self._names),
            [pod["metadata"]["name"] for pod in pods],
            {ids[tag] for tag in answers.loc[self._is_due(answers), "tag"] if tag in ids},
            name=self._names[self._to] + COPIES,
            of_all=of_all,
            slow_ms=self._slow_ms,
        )
        return self._seen(answers, lines, proxies), copies

    def _seen(self, answers: pd.DataFrame, lines: Lines, proxies: Sequence[Proxy]) -> Seen:
        return seen(answers, lines.frame, lines.request_ids, proxies, self._names, slow_ms=self._slow_ms)

    def _proxies(self) -> list[Proxy]:
        return find_proxies(self._api, self._journal.namespaces)

    def _lines(self, answers: pd.DataFrame, *, again: bool = False) -> Lines:
        answered = answers[answers["status"].notna()]
        tags = answered["tag"].tolist()
        begin = (answered if tags else answers)["time"].min()
        return self._journal.lines_of(tags, begin.to_pydatetime(), again=again)

    def _is_due(self, answers: pd.DataFrame) -> pd.Series[bool]:
        """Whether the copy of each one's request has had its time."""
        longest = pd.Timedelta(seconds=_GRACE + self._slow_ms / 1000)
        now = pd.Timestamp(self._clock.time(), unit="s", tz="UTC")
        return answers["time"] + pd.to_timedelta(answers["total_ms"], unit="ms") + longest <= now


class Kept:
    """The answers of the stream, in order, safe to read meanwhile."""

    def __init__(self) -> None:
        self._rows: list[pd.DataFrame] = []
        self._lock = threading.Lock()

    def take(self, rows: pd.DataFrame) -> None:
        with self._lock:
            self._rows.append(rows)

    def since(self, at: float) -> pd.DataFrame:
        """Those sent after *at*, seconds since the epoch."""
        with self._lock:
            rows = list(self._rows)
        if not rows:
            return pd.DataFrame()
        every = pd.concat(rows, ignore_index=True)
        return every[every["time"] >= pd.Timestamp(at, unit="s", tz="UTC")]
