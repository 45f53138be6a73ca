"""Who called whom: the calls between workloads, out of the lines of access logs.

A call between two pods with proxies stands in two logs; it is counted where it was sent, for only the
sender knows what it asked for, and that a call failed which never arrived. The receiver's line counts
where the sender has no proxy and so writes no log, or stands outside the cluster.

An ingress gateway may be passed twice by one request: from outside, and again from inside the mesh.
These are two nodes here, for what one of them sends has nothing to do with the other's share.

Lines repeat: they are told apart once by the few fields that matter, and only those are judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from labkit.kube.proxies.running import Pod, Running, Service
from labkit.language import gettext, gettext_noop
from labkit.traffic.failures import line_failed
from labkit.traffic.mutual_tls import over_mutual_tls
from labkit.traffic.response_flags import flags_of

CLIENT = "client"
"""Whoever asks from outside the cluster."""
AGAIN = "#again"
"""Follows the key of an ingress gateway where the mesh itself calls it."""
STOPPED = "!"
"""Stands between the key of a sender and the reason why its proxy sent a request nowhere."""
OUTSIDE = "outside:"
"""Stands before the host of a call that left the cluster."""
GONE = "gone:"
"""Stands before a Service that was called and is no longer there; alone, it is a caller that is gone."""

COLUMNS = {
    "source": "str",
    "destination": "str",
    "requests": "int64",
    "share": "float64",
    "errors": "int64",
    "p50_ms": "float64",
    "mutual_tls": "float64",
    "about": "object",
}
_MATTERS = ("upstream_cluster", "upstream_host", "response_code", "response_flags", "route_name", "authority")
_EXAMPLES = 5
_PORT = r":\d+$"


@dataclass(frozen=True)
class Seen:
    """The fields of a line that say where a request came from and went to; empty for ``-``."""

    pod: str
    peer: str
    """Address of the calling pod; empty where no pod has it."""
    forwarded: bool
    """Whether a gateway has already written of this request."""
    cluster: str
    host: str
    code: int
    flags: str
    route: str
    authority: str
    path: str = ""
    """Only of requests that were sent nowhere."""

    @property
    def failed(self) -> bool:
        """Answered 4xx or 5xx, not at all, or not to the end: see :mod:`labkit.traffic.failures`."""
        return line_failed(self.code, self.flags)

    @property
    def is_inbound(self) -> bool:
        """Written about a request for the proxy's own service."""
        return self.cluster.startswith("inbound|") or self.cluster == "InboundPassthroughCluster"


@dataclass(frozen=True)
class Call:
    """What a line tells of: somebody called somebody."""

    source: str
    destination: str
    about: str = ""
    """The Service that was called, or what was asked for in vain."""
    sent: bool = True
    """Whether its sender's line tells of it, not that of who was called."""


def calls(lines: pd.DataFrame, running: Running) -> pd.DataFrame:
    """The calls in *lines*, one row per source and destination, by name.

    lines: access-log lines of every proxy with their ``pod``, as :meth:`Journal.recent
    <labkit.traffic.journal.Journal.recent>` gives them. Columns: ``source`` and ``destination``
    (``namespace/workload``, or as the constants above say), ``requests``, ``share`` of what the source
    sent (0 to 1), ``errors`` (answers 4xx and 5xx, and none at all), ``p50_ms`` (median duration,
    measured by the sender's proxy), ``mutual_tls`` (the share of those that went over mutual TLS, by the
    lines of who was called: :mod:`labkit.traffic.mutual_tls`; missing where none tells), ``about`` (Services
    called, or what was asked for in vain).
    """
    different, which = _different(lines, running)
    found = [(n, call, seen.failed) for n, seen in enumerate(different) for call in calls_of(seen, running)]
    if not found:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in COLUMNS.items()})
    table = pd.DataFrame(
        {
            "which": [n for n, _, _ in found],
            "source": [call.source for _, call, _ in found],
            "destination": [call.destination for _, call, _ in found],
            "about": [call.about for _, call, _ in found],
            "sent": [call.sent for _, call, _ in found],
            "failed": [failed for _, _, failed in found],
        }
    )
    each = pd.DataFrame({"which": which, "ms": lines["duration"].to_numpy("float64", na_value=np.nan)})
    each["mutual_tls"] = over_mutual_tls(lines, _gateways(running)).to_numpy()
    return _counted(table, each)


def _gateways(running: Running) -> set[str]:
    return {pod.name for pod in running.pods if pod.is_gateway}


def _counted(table: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    """One row per edge; *table* has a row per edge and kind of line, *lines* one per line with its kind
    (``which``) and what was measured."""
    ends = ["source", "destination"]
    table["edge"] = table.groupby(ends, sort=True).ngroup()
    merged = table[["which", "edge", "failed", "sent"]].merge(lines, on="which")
    merged["mutual_tls"] = merged["mutual_tls"].where(merged["sent"])
    found = merged.groupby("edge").agg(
        requests=("which", "size"),
        errors=("failed", "sum"),
        p50_ms=("ms", "median"),
        mutual_tls=("mutual_tls", "mean"),
    )
    names = table.groupby("edge").agg({**dict.fromkeys(ends, "first"), "about": _examples})
    found = found.join(names)
    found["share"] = found["requests"] / found.groupby("source")["requests"].transform("sum")
    return found.reset_index(drop=True)[list(COLUMNS)]


def _examples(about: pd.Series[str]) -> tuple[str, ...]:
    named = sorted(set(about) - {""})
    more = ("…",) if len(named) > _EXAMPLES else ()
    return (*named[:_EXAMPLES], *more)


def _different(lines: pd.DataFrame, running: Running) -> tuple[list[Seen], np.ndarray]:
    """The kinds of lines, which differ in what matters; and for each line the number of its kind."""
    keys = pd.DataFrame({name: lines[name] for name in _MATTERS})
    keys.insert(0, "pod", lines["pod"])
    keys.insert(1, "peer", _peers(lines["downstream_remote_address"], running))
    keys.insert(2, "forwarded", lines["x_forwarded_for"].notna())
    keys["path"] = lines["path"].where(lines["upstream_host"].isna())
    kinds = pd.DataFrame({name: pd.factorize(keys[name])[0] for name in keys})
    number = kinds.groupby(list(kinds), sort=False).ngroup().to_numpy()
    first = keys[~pd.Series(number, index=keys.index).duplicated()]
    plain = first.astype("object").where(first.notna(), "").to_numpy().tolist()
    return [_seen(*row) for row in plain], number


def _seen(
    pod: str, peer: str, forwarded: bool, cluster: str, host: str, code: int | str, *texts: str
) -> Seen:
    return Seen(pod, peer, forwarded, cluster, host, int(code or 0), *texts)


def _peers(addresses: pd.Series[str], running: Running) -> pd.Series[str]:
    """The address of each caller, without its port, where it is a pod's."""
    hosts = addresses.astype("str").str.replace(_PORT, "", regex=True)
    return hosts.where(hosts.isin([*running.by_ip, *(f"[{ip}]" for ip in running.by_ip)])).str.strip("[]")


# ----------------------------------------------------------------------------------------- one line


def calls_of(seen: Seen, running: Running) -> Iterator[Call]:
    """What one line tells: how the request came to this proxy, where that counts, and where it went."""
    pod = running.by_name.get(seen.pod)
    if pod is None:
        return
    caller = running.by_ip.get(seen.peer)
    from_mesh = caller is not None or _names_service(seen.authority, running)
    if seen.is_inbound or pod.is_gateway:
        yield from _arrival(seen, pod, caller, from_mesh=from_mesh)
    if not seen.is_inbound:
        yield from _onward(seen, _key(pod, from_mesh=from_mesh), running)


def _names_service(authority: str, running: Running) -> bool:
    """Whether it is a name or an address that only pods can use."""
    return re.sub(_PORT, "", authority).partition(".svc")[0] in running.by_host


def _key(pod: Pod, *, from_mesh: bool) -> str:
    return pod.key + (AGAIN if from_mesh and pod.lets_in else "")


def _arrival(seen: Seen, pod: Pod, caller: Pod | None, *, from_mesh: bool) -> Iterator[Call]:
    if caller is not None and not caller.has_proxy:
        yield Call(caller.key, _key(pod, from_mesh=True), sent=False)
    if caller is None and (pod.is_gateway or not seen.forwarded):
        source = GONE if from_mesh and pod.is_gateway else CLIENT
        yield Call(source, _key(pod, from_mesh=from_mesh), sent=False)


def _onward(seen: Seen, source: str, running: Running) -> Iterator[Call]:
    service = _service(seen.cluster, running)
    if not seen.host:
        if seen.failed:
            why, what = _why(seen)
            yield Call(source, f"{source}{STOPPED}{why}", what)
        return
    address = seen.host.rpartition(":")[0].strip("[]")  # IPv6 has brackets in a log, in the API none
    if pod := _who_answers(address, service, running):
        yield Call(source, _key(pod, from_mesh=True), service.name if service else "")
    elif ".svc." in _host(seen):
        yield Call(source, f"{GONE}{_host(seen).partition('.')[0]}", _host(seen))
    else:
        yield Call(source, f"{OUTSIDE}{_host(seen)}", address)


def _who_answers(address: str, service: Service | None, running: Running) -> Pod | None:
    """The pod that has *address*; one of the Service's where the pod is gone since."""
    if pod := running.by_ip.get(address):
        return pod
    service = running.by_host.get(address) or service
    return running.behind(service) if service else None


def _service(cluster: str, running: Running) -> Service | None:
    """The Service an outbound cluster stands for."""
    name, _, rest = cluster.rpartition("|")[2].partition(".svc.")
    return running.by_host.get(name) if rest else None


def _host(seen: Seen) -> str:
    """What the callee is called: by the registry, else by the caller."""
    named = seen.cluster.rpartition("|")[2] if seen.cluster.startswith("outbound|") else ""
    return named or seen.authority or seen.host


def _why(seen: Seen) -> tuple[str, str]:
    """Why a proxy answered by itself, and what it had been asked for."""
    flags = flags_of(seen.flags)
    code = f"{seen.code} " if seen.code else ""
    if seen.cluster == "BlackHoleCluster" or seen.route == "block_all":
        return code + gettext("unknown host"), seen.authority
    if "NR" in flags:
        return code + gettext("no route"), seen.path or seen.authority
    words = gettext(next((_WORDS[flag] for flag in sorted(flags) if flag in _WORDS), _NOWHERE))
    return f"{code}{words}", _host(seen)


_NOWHERE = gettext_noop("sent nowhere")
_WORDS = {
    "DC": gettext_noop("caller gave up"),
    "FI": gettext_noop("fault rule"),
    "NC": gettext_noop("not known"),
    "RL": gettext_noop("rate limited"),
    "UAEX": gettext_noop("not allowed"),
    "UF": gettext_noop("not reached"),
    "UH": gettext_noop("no ready pod"),
    "UO": "overflow",
    "UT": gettext_noop("timed out"),
}
"""Envoy's response flags, in words."""
