"""Calls between services that never became a request: the mesh's own failure, told from a rule's.

Beside a sidecar every connection is accepted, and every HTTP call gets an HTTP answer: a rule that is wrong
makes it a 404, a 502 or a 503. So where a service says that its connection failed, and its proxy's access
log has no line of the call, the call was lost between the two, and no rule has had a say in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_GREETING = re.compile(r"Hello from ([^!]+)!")
_FAILURE = re.compile(
    r'I/O error on GET request for "(?P<url>[^"]*)": (?P<message>.*?); nested exception is (?P<kind>[\w.]+)',
    re.DOTALL,
)
_HOST = re.compile(r"^\w+://([^/:?]+)")


@dataclass(frozen=True)
class BrokenCall:
    """A call that got no answer, in the words of the service that made it."""

    caller: str
    """As it calls itself: ``ServiceA``."""
    url: str
    message: str
    kind: str
    """The Java exception: ``java.net.SocketException``."""

    @property
    def host(self) -> str:
        """Who was called."""
        found = _HOST.match(self.url)
        return found[1] if found else ""

    @property
    def unresolved(self) -> bool:
        """Whether the name led nowhere, so that no connection was tried."""
        return self.kind.endswith(".UnknownHostException")


def broken_call(texts: Iterable[str]) -> BrokenCall | None:
    """The first call that one of *texts*, answers of services, says to have failed; None where none did."""
    for text in texts:
        if found := _FAILURE.search(text):
            callers = _GREETING.findall(text[: found.start()])
            return BrokenCall(callers[-1] if callers else "", found["url"], found["message"], found["kind"])
    return None


def never_arrived(log: pd.DataFrame, app: str) -> bool:
    """Whether requests came to the pods of *app* for which their proxy has no line of a call that was made.

    log: access-log lines as of :mod:`labkit.traffic.access_log`. A line without a request's id, of a
    connection that was passed on as bytes, may be any call's: then it is not known.
    """
    own = log[log["app"] == app]
    inbound = own["upstream_cluster"].astype("str").str.startswith("inbound|")
    came, calls = own[inbound], own[~inbound]
    if came.empty or calls["request_id"].isna().any():
        return False
    return bool((~came["request_id"].isin(calls["request_id"])).any())
