"""What a lab shows as pictures: a request's journey, the mesh, the split and the times of answers.

What is shown was seen before, in answers and access logs; here it is found, and handed to its picture.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from labkit.errors import UsageError
from labkit.kube.api.api import Api
from labkit.language import gettext
from labkit.scenario.learner import Learner
from labkit.traffic.curl import Answer
from labkit.traffic.requests import Requests, marks
from labkit.traffic.sent import Sent
from labkit.traffic.split import Split
from labkit.traffic.target import Headers
from labkit.traffic.travel import in_order_of_travel

if TYPE_CHECKING:
    from labkit.views.graph import Graph
    from labkit.views.live_graph import LiveGraph
    from labkit.views.picture import Picture
    from labkit.views.waterfall import Trace


class Picturing(ABC):
    """The part of a :class:`labkit.Lab` that makes pictures of what was sent."""

    api: Api
    learner: Learner
    _sent: Sent

    @abstractmethod
    def curl(self, path: str, *, headers: Headers | None = None, timeout: float = 30.0) -> Answer:
        """One request."""

    @abstractmethod
    def hops(self, of: Requests) -> pd.DataFrame:
        """The lines of requests in every proxy's access log."""

    @abstractmethod
    def split(self, frame: pd.DataFrame, weights: Mapping[str, float] | None = None) -> Split:
        """How a frame's requests were shared out."""

    def trace(self, path: str | None = None, *, of: Answer | None = None) -> Trace:
        """One request's journey through all proxies, as a picture and as a ``table``.

        of: a request that was sent already; else one is sent to *path*, by default the scenario's.
        """
        from labkit.traffic.trace import journey
        from labkit.views.waterfall import Trace

        answer = self.curl(path or self.learner.scenario.path) if of is None else of
        if not isinstance(answer, Answer):
            raise UsageError(gettext("of= takes one request here, what lab.curl() gave back."))
        lines = self._sent.lines(answer)
        scenario = self.learner.scenario
        table = journey(in_order_of_travel(lines.frame), scenario.by_app, scenario.titles)
        return Trace(answer, table, complete=lines.complete)

    def graph(self, *, last: float = 60, of: Requests | None = None) -> Graph:
        """The mesh as a picture: what runs, and who called whom; ``.table`` has the same as a frame.

        last: how many seconds back to look in the access logs. of: instead, the way of these requests.
        """
        from labkit.views.graph import graph, of_requests, of_seconds

        if of is not None:
            return graph(self.api, self.hops(of), self.learner, of_requests(len(marks(of)[0])))
        return graph(self.api, self._sent.recent(last), self.learner, of_seconds(last))

    def live_graph(self, *, last: float = 10) -> LiveGraph:
        """The mesh as a picture that follows its traffic, with arrows as wide as their share.

        last: how many seconds back it looks in the access logs, again and again. Still where no widgets are.
        """
        from labkit.views.graph import mesh_of, of_seconds
        from labkit.views.live_graph import LiveGraph

        journal, window = self._sent.journal, of_seconds(last)
        return LiveGraph(
            lambda: mesh_of(self.api, journal.recent(last), self.learner, window, wide=True),
            lambda: self.graph(last=last),
        )

    def plot_split(self, of: Split | pd.DataFrame, title: str = "") -> Picture:
        """Shares with their intervals, and the weights."""
        from labkit.views.figures import plot_split

        if not isinstance(of, Split | pd.DataFrame):
            raise UsageError(gettext("plot_split() takes what lab.send() or lab.split() gave back."))
        return plot_split(of if isinstance(of, Split) else self.split(of), title)

    def plot_answers(self, answers: pd.DataFrame, title: str = "") -> Picture:
        """A mark per request over time, by who answered."""
        from labkit.views.figures import plot_answers

        return plot_answers(answers, title)

    def plot_latency(self, answers: pd.DataFrame, title: str = "") -> Picture:
        """How many answers came within which time, by who answered."""
        from labkit.views.figures import plot_latency

        return plot_latency(answers, title)
