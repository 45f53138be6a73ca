"""What became of copies: requests that a rule mirrors to a destination which nobody gets an answer of.

A caller's sidecar writes no line of a copy. The destination's own does: an inbound line with the id of the
request it is a copy of, whose authority ends in ``-shadow`` (Istio before 1.28), or is the same. So a copy
is a line there that no proxy's line of a request sent there accounts for. Its latency is the time of that
line, and it has failed where that says so, or a line of a call which the pod made for it. A copy that
should have come and did not has failed as well: nobody was there to write a line.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from labkit.kube.mesh.destinations import Destination
from labkit.kube.proxies.proxies import Proxy
from labkit.language import gettext, gettext_noop
from labkit.release.health import Health, broken_within, calls_to, health_of
from labkit.traffic.failures import failed_lines

COPIES = " (copies)"
"""Behind a destination's name: copies, not requests."""
_LOST = gettext_noop("no proxy there has a line of it, so it never came, or is not answered yet")


@dataclass(frozen=True)
class Copies:
    """What became of them."""

    health: Health
    due: int = 0
    """Requests whose copies, if there are any, must have been answered by now."""
    missing: int = 0
    """Of those, the ones of which none was."""


def copies_of(
    lines: pd.DataFrame,
    proxies: Sequence[Proxy],
    destinations: Sequence[Destination],
    pods: Collection[str],
    due: Collection[str],
    *,
    name: str,
    of_all: bool,
    slow_ms: float,
) -> Copies:
    """What became of the copies that came to *pods*.

    lines: of every proxy. destinations: of the rule. due: ids of requests that must have been answered by
    now. of_all: whether every request is copied, so that a missing one is known to be. name: what to call
    them.
    """
    arrived = _arrived(lines, pods)
    broken = broken_within(arrived, lines)
    seen = health_of(name, arrived.assign(failed=failed_lines(arrived)), set(broken), broken, slow_ms)
    asked = set(calls_to(lines, proxies, destinations)["request"]) & set(due)
    missing = len(asked - set(arrived["request"]))
    if of_all and missing:
        example = seen.example or gettext(_LOST)
        seen = replace(seen, requests=seen.requests + missing, errors=seen.errors + missing, example=example)
    return Copies(seen, len(asked), missing)


def _arrived(lines: pd.DataFrame, pods: Collection[str]) -> pd.DataFrame:
    """The inbound lines of *pods* that nobody's line of a request sent there accounts for."""
    is_inbound = lines["upstream_cluster"].astype("str").str.startswith("inbound|").fillna(False)
    inbound = lines[is_inbound & lines["pod"].isin(list(pods))]
    # What was sent comes first, where both came: only the older Istio tells them apart.
    shadow = inbound["authority"].astype("str").str.contains(r"-shadow(?::\d+)?$", regex=True, na=False)
    inbound = inbound.assign(is_shadow=shadow).sort_values(["is_shadow", "start_time"], kind="stable")
    sent = lines[~is_inbound].groupby(["request", "upstream_host"], observed=True).size().to_dict()
    keys = zip(inbound["request"], inbound["downstream_local_address"].astype("object"), strict=True)
    accounted = pd.Series([sent.get(key, 0) for key in keys], index=inbound.index, dtype="int64")
    number = inbound.groupby(["request", "pod"], observed=True).cumcount()
    return inbound[number >= accounted].sort_index()
