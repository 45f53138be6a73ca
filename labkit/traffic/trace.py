"""One request's journey, told by the access logs of all proxies it passed.

A line holds the line of the next proxy, as a call holds the calls it makes: what a line took less what
those inside it took is the time that was spent there. Access logs count in whole milliseconds, so
that is exact to one; and a wait between two proxies belongs to the one that waits.

==============  ==========  =================================================================
column          type        meaning
==============  ==========  =================================================================
hop             int64       1 for the proxy where the request entered
within          Int64       the hop this one is part of; missing for the first
proxy           str         whose proxy wrote the line: ``ServiceA``, ``egress gateway``
direction       str         ``in`` to the service beside it, ``out`` from it, ``through`` a gateway
to              str         where it went next
start_ms        float64     since the request entered
duration_ms     Int64       from the first byte to the last
own_ms          Int64       of that, not spent in a later hop
status          Int64       HTTP status the proxy answered with
flags           str         Envoy's response flags; missing where all went well
meaning         str         … in words, or why the mesh itself refused
==============  ==========  =================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from labkit.kube.api.tables import Listing
from labkit.language import gettext, gettext_noop
from labkit.traffic.response_flags import flags_of, why

COLUMNS = (
    *("hop", "within", "proxy", "direction", "to", "start_ms", "duration_ms"),
    *("own_ms", "status", "flags", "meaning"),
)
NOWHERE = gettext_noop("nowhere")
_BLIND = {"BlackHoleCluster": NOWHERE, "PassthroughCluster": gettext_noop("outside the mesh")}


def journey(lines: pd.DataFrame, apps: Mapping[str, str], hosts: Mapping[str, str]) -> pd.DataFrame:
    """The hops of one request; *lines* are its access-log lines in order of travel.

    apps: label ``app`` → who that is. hosts: name of a Service → who stands behind it. The hops whose
    request went on to a pod of which there is no line are in ``attrs["unheard"]``: that pod has no
    proxy, or its log has not arrived.
    """
    rows: list[dict[str, Any]] = [
        {str(name): value for name, value in row.items()}
        for row in lines.astype("object").where(lines.notna(), None).to_dict("records")
    ]
    parents = _parents(rows)
    entered = min((row["start_time"] for row in rows), default=None)
    found = [
        {
            "hop": number + 1,
            "within": None if (outer := parents[number]) is None else outer + 1,
            "proxy": apps.get(row["app"], row["app"]),
            "direction": _direction(row, rows),
            "to": _target(row, apps, hosts),
            "start_ms": (row["start_time"] - entered).total_seconds() * 1000,
            "duration_ms": row["duration"],
            "own_ms": _own(number, rows, parents),
            "status": row["response_code"],
            "flags": row["response_flags"],
            "meaning": why(row["response_flags"], row["route_name"], row["upstream_cluster"]),
        }
        for number, row in enumerate(rows)
    ]
    frame = Listing(found, columns=list(COLUMNS))
    frame.attrs["unheard"] = _unheard(rows, parents)
    return frame.astype({"within": "Int64", "duration_ms": "Int64", "own_ms": "Int64", "status": "Int64"})


def _parents(rows: list[dict[str, Any]]) -> list[int | None]:
    """For each line the one it is part of: the latest before it that leads to it."""
    return [next((i for i in reversed(range(n)) if _leads(rows[i], rows[n])), None) for n in range(len(rows))]


def _leads(row: dict[str, Any], to: dict[str, Any]) -> bool:
    if _is_inbound(row):
        return bool(to["pod"] == row["pod"]) and not _is_inbound(to)
    return bool(row["upstream_host"]) and row["upstream_host"] == to["downstream_local_address"]


def _unheard(rows: list[dict[str, Any]], parents: list[int | None]) -> list[int]:
    """The hops that no other one follows although they went on to somebody in the mesh."""
    return [
        number + 1
        for number, row in enumerate(rows)
        if number not in parents
        and row["upstream_host"]
        and str(row["upstream_cluster"]).startswith("outbound|")
        and "UF" not in flags_of(row["response_flags"])
    ]


def _own(number: int, rows: list[dict[str, Any]], parents: list[int | None]) -> int | None:
    whole = rows[number]["duration"]
    inside = sum(row["duration"] or 0 for row, up in zip(rows, parents, strict=True) if up == number)
    return None if whole is None else max(0, whole - inside)


def _is_inbound(row: dict[str, Any]) -> bool:
    return str(row["upstream_cluster"]).startswith("inbound|")


def _direction(row: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    if _is_inbound(row):
        return "in"
    is_gateway = not any(_is_inbound(other) for other in rows if other["pod"] == row["pod"])
    return "through" if is_gateway else "out"


def _target(row: dict[str, Any], apps: Mapping[str, str], hosts: Mapping[str, str]) -> str:
    cluster = row["upstream_cluster"]
    if cluster is None:
        return gettext(NOWHERE)
    if _is_inbound(row):
        return apps.get(row["app"], row["app"])
    host = str(cluster).rpartition("|")[2]
    if host in _BLIND:
        return gettext(_BLIND[host])
    return hosts.get(host.partition(".")[0], host)
