"""Which lines of the mesh's access logs are about one request, whatever ids they bear.

A sidecar keeps the request id that it is given, and a service passes it on. A gateway does not: with
``use_remote_address`` every request is one from outside to it, so that it makes an id of its own, also for a
call that comes from inside the mesh (Envoy since 1.33, where no address is internal unless the settings say
so; ``preserve_external_request_id`` would keep ids, and istiod leaves it off). A request that leaves by the
egress gateway and comes in again by the ingress gateway has three.

Two things lead from each of them to the one before.

**What the caller says.** The services of this course name in their User-Agent the request that they call for
(:func:`labkit.services.master_system.user_agent`), and every proxy writes that down beside its own id. This
is exact, whatever lies between.

**The connection**, for other services, which pass on ``x-request-id`` alone: the caller's
``upstream_local_address`` and ``upstream_host`` are the gateway's ``downstream_remote_address`` and
``downstream_local_address``. On HTTP/1.1 a connection carries one request at a time, so both sides log its
requests in the same order, and the gateway's line begins while the caller's lasts: a line is joined to a
wrong one only where a log is cut off in the middle of a connection, and another request came on it within
:data:`SLACK` of the cut. On HTTP/2 the order is that in which requests begin, and of two on one connection
that begin within a millisecond one may be taken for the other: no line with one request at a time, 5 % of
them with 2 at once, 27 % with 8, 87 % with 64, where all share one connection (by a simulation, see the
tests). Their number is right even then. Where addresses are translated on the way, and for all but the last
attempt of a request that was retried, no line is joined.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import TypeAlias

import pandas as pd

SLACK = pd.Timedelta(milliseconds=5)
"""How far the clocks of two nodes may be apart."""
_CUT_OFF = pd.Timedelta(milliseconds=2)
"""What a beginning and a duration in whole milliseconds may leave out together."""
_NAMED = r"\(request ([A-Za-z0-9._-]{1,64})\)$"
_CALLER = ("upstream_local_address", "upstream_host")
_CALLED = ("downstream_remote_address", "downstream_local_address")
_Line: TypeAlias = tuple[str, pd.Timestamp, pd.Timestamp]
"""A line's request id, when it began and when it ended."""


def first_ids(lines: pd.DataFrame) -> pd.Series[str]:
    """For each of *lines* the id under which its request came into the mesh.

    lines: those of every proxy, each proxy's in the order in which it wrote them. The id is the line's own
    where no other proxy's line leads to it; missing where it has none.
    """
    replaced = dict(_replaced(lines))
    own = lines["request_id"].astype("object")
    return own.map({name: _first(name, replaced) for name in own.dropna().unique()}).astype("str")


def _first(name: str, replaced: dict[str, str]) -> str:
    passed = {name}
    while (before := replaced.get(name)) is not None and before not in passed:
        passed.add(name := before)
    return name


def _replaced(lines: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Each id a proxy has made in the place of another, and that other."""
    named = lines["user_agent"].astype("str").str.extract(_NAMED, expand=False)
    told = named.notna() & lines["request_id"].notna()
    yield from zip(lines.loc[told, "request_id"], named[told], strict=True)
    yield from _by_connections(lines[named.isna()])


def _by_connections(lines: pd.DataFrame) -> Iterator[tuple[str, str]]:
    sent, came = _ends(lines, _CALLER), _ends(lines, _CALLED)
    shared = set(sent["connection"]) & set(came["connection"])
    sent, came = (side[side["connection"].isin(shared)] for side in (sent, came))
    kept = pd.MultiIndex.from_frame(sent[["connection", "request_id"]]).intersection(
        pd.MultiIndex.from_frame(came[["connection", "request_id"]])
    )
    callers, called = _in_order(sent, kept), _in_order(came, kept)
    one_by_one = set(came.loc[came["one_by_one"], "connection"])
    for connection in callers.keys() & called.keys():
        sides = [callers[connection], called[connection]]
        if connection not in one_by_one:
            sides = [sorted(side, key=_began) for side in sides]
        yield from _joined(*sides)


def _began(line: _Line) -> pd.Timestamp:
    return line[1]


def _ends(lines: pd.DataFrame, ends: tuple[str, str]) -> pd.DataFrame:
    """The lines that know both addresses of a connection, with its name."""
    known = lines[lines[[*ends, "request_id"]].notna().all(axis=1)]
    one, other = (known[end].astype("str") for end in ends)
    took = pd.to_timedelta(known["duration"].fillna(0).astype("int64"), unit="ms")
    return pd.DataFrame(
        {
            "connection": one + " " + other,
            "request_id": known["request_id"].astype("str"),
            "began": known["start_time"],
            "ended": known["start_time"] + took,
            "one_by_one": known["protocol"].astype("str").str.startswith("HTTP/1"),
        }
    )


def _in_order(lines: pd.DataFrame, kept: pd.MultiIndex) -> dict[Hashable, list[_Line]]:
    """Connection → its lines in their order, without those whose id is on both sides (*kept*)."""
    ids = pd.MultiIndex.from_frame(lines[["connection", "request_id"]])
    left = lines[~ids.isin(kept)]
    return {
        connection: list(zip(group["request_id"], group["began"], group["ended"], strict=True))
        for connection, group in left.groupby("connection", sort=False)
    }


def _joined(callers: Sequence[_Line], called: Sequence[_Line]) -> Iterator[tuple[str, str]]:
    """Of one connection: the id of each line of *called* with its caller's."""
    pairs = list(zip(called, callers, strict=False))
    if len(callers) != len(called) or not all(_fits(line, caller) for line, caller in pairs):
        pairs = list(_by_time(callers, called))
    return ((line[0], caller[0]) for line, caller in pairs)


def _by_time(callers: Sequence[_Line], called: Sequence[_Line]) -> Iterator[tuple[_Line, _Line]]:
    """The pairs, where either side lacks some lines."""
    at = 0
    for caller in callers:
        while at < len(called) and called[at][1] < caller[1] - SLACK:  # its caller's line is not here
            at += 1
        fits = [n for n in range(at, min(at + 2, len(called))) if _fits(called[n], caller)]
        if fits:
            found = next((n for n in fits if _lies_within(called[n], caller)), fits[0])
            yield called[found], caller
            at = found + 1


def _fits(line: _Line, caller: _Line) -> bool:
    return caller[1] - SLACK <= line[1] <= caller[2] + SLACK


def _lies_within(line: _Line, caller: _Line) -> bool:
    return caller[1] <= line[1] and line[2] <= caller[2] + _CUT_OFF
