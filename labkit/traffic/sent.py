"""What one learner has sent, and the lines of the access logs that belong to it."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from labkit.traffic import answers
from labkit.traffic.curl import Answer, curl
from labkit.traffic.journal import Journal, Lines
from labkit.traffic.requests import Requests, marks
from labkit.traffic.target import Headers, Target
from labkit.traffic.travel import in_order_of_travel


class Sent:
    """Sends requests, knows the newest ones, and finds what the proxies of *journal* wrote of them."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._newest: Requests | None = None

    def curl(self, target: Target, *, headers: Headers | None, timeout: float) -> Answer:
        """One request, see :func:`labkit.traffic.curl.curl`."""
        self._newest = answer = curl(target, headers=headers, timeout=timeout)
        return answer

    def send(
        self,
        target: Target,
        *,
        requests: int,
        concurrency: int,
        headers: Headers | None,
        timeout: float,
        halfway: Callable[[], object] | None = None,
    ) -> pd.DataFrame:
        """Many requests, see :func:`labkit.traffic.answers.send`, each with its ``request_id`` there."""
        self._newest = frame = answers.send(
            target,
            requests=requests,
            concurrency=concurrency,
            headers=headers,
            timeout=timeout,
            halfway=halfway,
        )
        frame["request_id"] = frame["tag"].map(self.lines(frame).request_ids).astype("str")
        return frame

    def lines(self, of: Requests) -> Lines:
        """What every proxy wrote of these requests; waits until all of it is there."""
        return self.journal.lines_of(*marks(of))

    def hops(self, of: Requests) -> pd.DataFrame:
        """The lines of these requests, as they began; of an answer of curl() in the order of its travel."""
        frame = self.lines(of).frame
        return in_order_of_travel(frame) if isinstance(of, Answer) else frame

    def access_log(self, app: str, selector: str, namespace: str, of: Requests | None) -> pd.DataFrame:
        """The lines of a workload's proxies: those of *of* alone, or all, the newest requests' included."""
        if of is not None:
            frame = self.hops(of)
            return frame[frame["app"] == app].reset_index(drop=True)
        self.await_newest()
        return self.journal.read(selector, namespace)

    def recent(self, seconds: float) -> pd.DataFrame:
        """What every proxy wrote in the last *seconds*, with the lines of the newest requests."""
        self.await_newest()
        return self.journal.recent(seconds)

    def await_newest(self) -> None:
        """Wait until the lines of the newest requests are there."""
        if self._newest is not None:
            self.lines(self._newest)

    def forget(self) -> None:
        """The newest requests are of a mesh that is no more."""
        self._newest = None
