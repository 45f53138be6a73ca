"""Puts telemetry into the listeners of a proxy: access logs, metrics, tracing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.snapshot import Resource
from labkit.embedded.mesh.telemetries import Metrics, Mode
from labkit.embedded.mesh.translate.telemetry import metrics, peers
from labkit.embedded.mesh.translate.telemetry.access_logs import AccessLogs
from labkit.embedded.mesh.translate.telemetry.tracing import tracing_of

MANAGER = "envoy.filters.network.http_connection_manager"
TCP_PROXY = "envoy.filters.network.tcp_proxy"
_UNSEEN = "-blackhole"
"""How the chain is called that ends connections to the proxy's own port: they are nobody's."""


_AFTER_HANDSHAKE = {"upstream_connect_mode": "ON_DOWNSTREAM_TLS_HANDSHAKE", "max_early_data_bytes": 65536}
"""A connection is counted when it is made, and who the caller is has to be known by then."""


def observed(state: MeshState, proxy: Proxy, listeners: Mapping[str, Resource]) -> dict[str, Resource]:
    """*listeners* of *proxy* with what they tell; made anew as far as they are changed."""
    server, client = _Side(state, proxy, "SERVER"), _Side(state, proxy, "CLIENT")
    return {
        name: (server if each.get("traffic_direction") == "INBOUND" else client).listener(each)
        for name, each in listeners.items()
    }


@dataclass(frozen=True)
class _Side:
    """The listeners of one proxy on one side."""

    state: MeshState
    proxy: Proxy
    mode: Mode

    @property
    def _server(self) -> bool:
        return self.mode == "SERVER"

    @cached_property
    def _labels(self) -> Mapping[str, str]:
        return self.state.labels_of(self.proxy)

    @cached_property
    def _logs(self) -> AccessLogs:
        asked = self.state.telemetries.logs(self.proxy.namespace, self._labels, self.mode)
        return AccessLogs(self.state, self.proxy, asked, inbound=self._server)

    @cached_property
    def _metrics(self) -> Metrics | None:
        return self.state.telemetries.metrics(self.proxy.namespace, self._labels, self.mode)

    @cached_property
    def _tracing(self) -> Resource:
        asked = self.state.telemetries.tracing(self.proxy.namespace, self._labels, self.mode)
        return tracing_of(self.state, self.proxy, asked)

    def listener(self, listener: Resource) -> Resource:
        found = {**listener, "filter_chains": [self._chain(each) for each in listener["filter_chains"]]}
        if "default_filter_chain" in listener:
            found["default_filter_chain"] = self._chain(listener["default_filter_chain"])
        if listener.get("bind_to_port") is not False:
            found["access_log"] = self._logs.of_listener
        return found

    def _chain(self, chain: Resource) -> Resource:
        if str(chain.get("name") or "").endswith(_UNSEEN):
            return chain
        mutual = _insists_on_certificate(chain)
        return {**chain, "filters": [self._filter(each, mutual) for each in chain["filters"]]}

    def _filter(self, one: Resource, mutual: bool) -> Resource:
        if one["name"] == MANAGER:
            return {**one, "typed_config": self._manager(one["typed_config"], mutual)}
        if one["name"] == TCP_PROXY:
            return {**one, "typed_config": self._tcp_proxy(one["typed_config"], mutual)}
        return one

    def _manager(self, manager: Resource, mutual: bool) -> Resource:
        found = {**manager, "access_log": self._logs.of_http, **self._tracing}
        if self._metrics is None:
            return found
        gateway = self.proxy.kind == "router"
        counting = metrics.http_loggers(self._metrics, server=self._server, gateway=gateway, mutual=mutual)
        *others, router = manager["http_filters"]
        exchange = peers.listening() if self._server else peers.telling()
        filters = [exchange, *others, peers.noting_protocol(), router]
        return {**found, "access_log": [*self._logs.of_http, *counting], "http_filters": filters}

    def _tcp_proxy(self, proxy: Resource, mutual: bool) -> Resource:
        if self._metrics is None:
            return {**proxy, "access_log": self._logs.of_tcp}
        counting = metrics.tcp_loggers(self._metrics, server=self._server, mutual=mutual)
        return {
            **proxy,
            "access_log": [*map(_at_the_end, self._logs.of_tcp), *counting],
            "access_log_options": {"flush_access_log_on_connected": True},
            **(_AFTER_HANDSHAKE if mutual else {}),
        }


def _at_the_end(log: dict[str, Any]) -> dict[str, Any]:
    filters = [metrics.not_while_open(), *([log["filter"]] if "filter" in log else [])]
    return {**log, "filter": metrics.both(*filters)}


def _insists_on_certificate(chain: Resource) -> bool:
    socket = (chain.get("transport_socket") or {}).get("typed_config") or {}
    return bool(socket.get("require_client_certificate"))
