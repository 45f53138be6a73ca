"""A proxy's routing table, read from the proxy itself.

Envoy's ``config_dump`` is thousands of lines; here each row is one way a request can take. A listener
owns a port; its HTTP connection manager has the routes inline (requests to the pod) or names a route
configuration (requests from it); there a virtual host is found by the request's host, and in it the
first route that matches. Nothing is looked for in a second virtual host.

===========  ======================================================================================
column       meaning
===========  ======================================================================================
direction    ``in`` to the pod, ``out`` of it, ``through`` a gateway
port         the port the proxy listens on, as text; ``other``: any that is not named
host         which host is asked for; ``any other``: one the mesh does not know
match        what else a request has to be
destination  where it goes, or what the proxy itself answers
weight       of 100, which share (as the proxy has it); missing for a copy
rewrite      what the proxy changes in the request
rule         the VirtualService it comes from, or the mesh's policy for unknown hosts; else empty
namespace    of the VirtualService
domains      every name of the host, by spaces (only with ``everything``)
cluster      Envoy's own name of the destination, as in access logs (only with ``everything``)
===========  ======================================================================================
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass

import pandas as pd

from labkit.kube.api.api import Api
from labkit.kube.api.tables import Table
from labkit.kube.mesh.route_words import (
    BLACK_HOLE,
    PASSTHROUGH,
    Json,
    destination,
    destinations,
    matched,
    reached,
    rewrite,
    rule,
    short,
)
from labkit.kube.proxies.proxies import Proxy, proxies_of
from labkit.kube.proxies.proxy_admin import AdminRefused, ask_all
from labkit.language import gettext

_POLICIES = {"block_all": "REGISTRY_ONLY", "allow_any": "ALLOW_ANY"}
_CATCH_ALLS = {BLACK_HOLE: "REGISTRY_ONLY", PASSTHROUGH: "ALLOW_ANY"}
_OWN_PORTS = ("15090", "15021")
_OUTBOUND_PORT = "15001"
"""Where the proxy itself tells how it is."""
_DETAILS = ["domains", "cluster"]


@dataclass(frozen=True)
class Row:
    """One way a request can take; the columns of the table."""

    direction: str
    port: str
    host: str
    match: str
    destination: str
    weight: int | None
    rewrite: str
    rule: str
    namespace: str
    domains: str
    cluster: str

    @property
    def is_for_others(self) -> bool:
        """Whether it is the last resort for what nothing else matches."""
        return self.host == gettext("any other")


def routes(
    api: Api, app: str, namespace: str, *, known: Collection[str] = (), everything: bool = False
) -> pd.DataFrame:
    """The routing table of the proxy of the pods labelled ``app=…``.

    known: namespaces whose Services are shown even where no VirtualService speaks of them.
    everything: every route of every listener, also Istio's own and those that are no HTTP.
    AdminRefused where the proxy can't be asked, WaitFailed where there is none.
    """
    proxies = proxies_of(api, app, namespace)
    answers = ask_all(api, proxies, "config_dump")
    for proxy, answer in answers.items():
        if not isinstance(answer, AdminRefused):
            return _table(list(_rows(answer, proxy)), known, everything=everything)
    raise next(iter(answers.values()))


def _table(rows: list[Row], known: Collection[str], *, everything: bool) -> Table:
    shown = [row for row in rows if everything or _is_of_interest(row, known)]
    ports = {row.port for row in shown if not row.is_for_others} | {"other"}
    if not everything:
        shown = [row for row in shown if row.port in ports]
    found = [asdict(row) for row in sorted(shown, key=_relevance)]
    frame = pd.DataFrame(found, columns=list(Row.__dataclass_fields__)).astype({"weight": "Int64"})
    if not everything:
        frame = frame.drop(columns=_DETAILS)
    return Routes(frame.drop_duplicates(ignore_index=True))


class Routes(Table):
    """The table as it is shown: a rule as istioctl names it, and no column in which nothing stands."""

    def _repr_html_(self) -> str:
        if not {"rule", "namespace", "rewrite"} <= set(self.columns):
            return super()._repr_html_()
        shown = pd.DataFrame(self)
        shown["rule"] = shown["rule"] + ("." + shown["namespace"]).where(shown["namespace"] != "", "")
        empty = [] if shown["rewrite"].any() else ["rewrite"]
        return Table(shown.drop(columns=["namespace", *empty]))._repr_html_()


def _is_of_interest(row: Row, known: Collection[str]) -> bool:
    if row.port in _OWN_PORTS:
        return False
    if row.is_for_others:
        return row.match in (gettext("any path"), gettext("any bytes"), gettext("anything else"))
    if row.rule:
        return True
    return row.cluster.startswith("inbound|") or row.host.rpartition(".")[2] in known


def _relevance(row: Row) -> int:
    """What a VirtualService says comes first, and last what becomes of all else."""
    if row.is_for_others:
        return 3
    return 0 if row.namespace else 2 if row.direction == "in" else 1


# ------------------------------------------------------------------------------------------ the dump


def _rows(dump: Json, proxy: Proxy) -> Iterator[Row]:
    configurations = {one["name"]: one for one in _route_configurations(dump)}
    for listener in _listeners(dump):
        port = _port(listener)
        for name, settings, chain in _filters(listener):
            if name == "HttpConnectionManager":
                wanted = (settings.get("rds") or {}).get("route_config_name", "")
                found = settings.get("route_config") or configurations.get(wanted) or {}
                direction = _direction(listener, found, proxy)
                yield from _http_rows(found, port, direction)
            elif name == "TcpProxy":
                yield from _tcp_rows(settings, port, str(listener.get("name")), reached(chain))


def _port(listener: Json) -> str:
    """The port it is for, which its name says: of an embedded one the address may be another, or a socket."""
    name = str(listener.get("name"))
    if name == "virtualOutbound":
        return _OUTBOUND_PORT
    _, named, port = name.rpartition("_")
    if named and port.isdecimal():
        return port
    return str(listener["address"].get("socket_address", {}).get("port_value", ""))


def _part(dump: Json, kind: str) -> Json:
    return next((one for one in dump["configs"] if one["@type"].endswith(f".{kind}")), {})


def _listeners(dump: Json) -> Iterator[Json]:
    """Those in use, first those that istiod has sent."""
    part = _part(dump, "ListenersConfigDump")
    for entry in part.get("dynamic_listeners") or []:
        if "active_state" in entry:
            yield entry["active_state"]["listener"]
    for entry in part.get("static_listeners") or []:
        yield entry["listener"]


def _route_configurations(dump: Json) -> Iterator[Json]:
    for entry in _part(dump, "RoutesConfigDump").get("dynamic_route_configs") or []:
        if "route_config" in entry:
            yield {"name": "", **entry["route_config"]}


def _filters(listener: Json) -> Iterator[tuple[str, Json, Json]]:
    """Type and settings of each filter, and the chain it is part of."""
    chains = [*(listener.get("filter_chains") or []), listener.get("default_filter_chain") or {}]
    for chain in chains:
        for one in chain.get("filters") or []:
            settings = one.get("typed_config") or {}
            yield str(settings.get("@type", "")).rpartition(".")[2], settings, chain


def _direction(listener: Json, configuration: Json, proxy: Proxy) -> str:
    """A real sidecar has one listener for all that arrives; here each port has its own."""
    inbound = str(configuration.get("name", "")).startswith("inbound|")
    if inbound or listener.get("name") == "virtualInbound":
        return "in"
    return "through" if proxy.is_gateway else "out"


def _http_rows(configuration: Json, port: str, direction: str) -> Iterator[Row]:
    open_end = True
    for host in configuration.get("virtual_hosts") or []:
        for route in host.get("routes") or []:
            yield from _ways(route, host, port, direction)
            open_end = open_end and (
                host["domains"] != ["*"] or matched(route["match"]) != gettext("any path")
            )
    if open_end and configuration:
        yield _unmatched(direction, port)


def _unmatched(direction: str, port: str) -> Row:
    return Row(
        direction,
        port,
        gettext("any other"),
        gettext("anything else"),
        gettext("answers {status}", status=404),
        100,
        *[""] * 5,
    )


def _ways(route: Json, host: Json, port: str, direction: str) -> Iterator[Row]:
    name, namespace = rule(route)
    policy = _POLICIES.get(host.get("name", ""))
    for where, cluster, weight in destinations(route):
        yield Row(
            direction,
            port if direction != "in" else _inbound_port(cluster) or port,
            gettext("any other") if policy else _host(host["domains"], direction),
            matched(route["match"]),
            where,
            weight,
            rewrite(route),
            name or (policy or ""),
            namespace,
            " ".join(host["domains"]),
            cluster,
        )


def _host(domains: list[str], direction: str) -> str:
    """Its full name is the first one; all hosts are ``*``, and what arrives at a pod is for the pod."""
    return gettext("any") if direction == "in" or domains == ["*"] else short(domains[0])


def _inbound_port(cluster: str) -> str:
    """Requests arrive at the port the service listens on, wherever the proxy has its socket."""
    return cluster.split("|")[1] if cluster.startswith("inbound|") else ""


def _host_of(cluster: str) -> str:
    return short(cluster.rpartition("|")[2]) if "|" in cluster else gettext("any")


def _tcp_rows(settings: Json, port: str, listener: str, match: str) -> Iterator[Row]:
    clusters = (settings.get("weighted_clusters") or {}).get("clusters")
    for one in clusters or [{"name": settings.get("cluster", ""), "weight": 100}]:
        name = one["name"]
        policy = _CATCH_ALLS.get(name, "") if listener == "virtualOutbound" else ""
        yield Row(
            direction="in" if name.startswith("inbound|") or listener == "virtualInbound" else "out",
            port=gettext("other") if policy else port,
            host=gettext("any other") if policy else _host_of(name),
            match=match,
            destination=destination(name),
            weight=int(one.get("weight", 100)),
            rewrite="",
            rule=policy,
            namespace="",
            domains="",
            cluster=name,
        )
