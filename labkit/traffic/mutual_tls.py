"""Which requests went from proxy to proxy over mutual TLS, as access logs tell it.

The line of the proxy that was called tells, never the caller's: its ``requested_server_name`` is the name
the TLS connection asked for. By the name of a cluster (``outbound_.80_._.HOST``) only Istio's proxies ask,
and the proxy that reads the requests of such a connection has asked for the caller's certificate, too
(https://istio.io/latest/docs/ops/configuration/traffic-management/tls-configuration/#auto-mtls).

The two lines of a hop have one address in common, the caller's ``upstream_host``, which is the other's
``downstream_local_address``; and the request's id, or (a gateway makes an id of its own) the connection's
other end.
"""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

_NAME = "outbound_."
_PAIRS = (("request_id", "request_id"), ("upstream_local_address", "downstream_remote_address"))
"""Column of the caller's line → the column of the other line that is equal to it."""


def over_mutual_tls(lines: pd.DataFrame, gateways: Collection[str]) -> pd.Series[float]:
    """For each of *lines* whether the request was sent on over mutual TLS: 1 or 0, missing where no line of
    who was called tells.

    lines: those of every proxy. gateways: the pods of those that are one.
    """
    clusters = lines["upstream_cluster"].astype("str")
    inbound = clusters.str.startswith("inbound|", na=False) | clusters.eq("InboundPassthroughCluster")
    came = lines[inbound | lines["pod"].isin(list(gateways))]
    by_tls = came["requested_server_name"].astype("str").str.startswith(_NAME, na=False).astype("float64")
    found = pd.Series(float("nan"), index=lines.index, dtype="float64")
    for sent_by, came_by in _PAIRS:
        known = by_tls.set_axis(_hops(came, came_by, "downstream_local_address"))
        known = known[known.index.notna() & ~known.index.duplicated()]
        found = found.fillna(_hops(lines, sent_by, "upstream_host").map(known))
    return found


def _hops(lines: pd.DataFrame, one: str, address: str) -> pd.Series[str]:
    return lines[one].astype("str") + " " + lines[address].astype("str")
