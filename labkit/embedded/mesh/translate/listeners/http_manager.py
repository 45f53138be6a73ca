"""HTTP connection managers and TCP proxies: what the filter chains of every listener end in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from labkit.embedded.mesh.mesh_config import REGISTRY_ONLY, MeshConfig
from labkit.embedded.mesh.translate.naming import BLACK_HOLE, PASSTHROUGH, ads, typed
from labkit.embedded.mesh.translate.routes.actions import CORS, FAULT
from labkit.embedded.mesh.translate.security.topology import Topology
from labkit.embedded.mesh.translate.tls.mutual import alpn_by_protocol

Role = Literal["outbound", "inbound", "gateway"]
PLAIN_HTTP = {"transport_protocol": "raw_buffer", "application_protocols": ["http/1.1", "h2c"]}
"""The chain match of what ``http_inspector`` has recognised as HTTP without TLS."""
HTTP_INSPECTOR = {
    "name": "envoy.filters.listener.http_inspector",
    "typed_config": typed("envoy.extensions.filters.listener.http_inspector.v3.HttpInspector"),
}
TLS_INSPECTOR = {
    "name": "envoy.filters.listener.tls_inspector",
    "typed_config": typed("envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"),
}

_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_TCP_PROXY = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"


@dataclass(frozen=True)
class HttpManager:
    """An HTTP connection manager in one of its three roles."""

    mesh: MeshConfig
    role: Role
    stat_prefix: str
    detected: bool = False
    """Whether the port names no protocol, so that what is spoken has to be said to the other end."""
    guards: Sequence[dict[str, Any]] = ()
    """The HTTP filters that stand before all others."""
    topology: Topology = field(default_factory=Topology)
    """What stands before the proxy, and what becomes of the callers' certificates."""

    def by_rds(self, route_name: str) -> dict[str, Any]:
        """The filter, with routes that come over RDS."""
        return self._filter(rds={"config_source": ads(), "route_config_name": route_name})

    def inline(self, route_config: dict[str, Any]) -> dict[str, Any]:
        """The filter, with its routes in it."""
        return self._filter(route_config=route_config)

    def _filter(self, **routes: Any) -> dict[str, Any]:
        manager = typed(_MANAGER, **self._common(), **routes, **self._edge())
        return {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}

    def _common(self) -> dict[str, Any]:
        return {
            "stat_prefix": self.stat_prefix,
            "http_filters": self._http_filters(),
            "use_remote_address": self.role == "gateway",
            "upgrade_configs": [{"upgrade_type": "websocket"}],
            "stream_idle_timeout": "0s",
            "proxy_100_continue": True,
            **_path_normalization(self.mesh.path_normalization),
        }

    def _http_filters(self) -> list[dict[str, Any]]:
        grpc_stats = "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig"
        stats = typed(grpc_stats, emit_filter_state=True, stats_for_all_methods=False)
        filters = [{"name": "envoy.filters.http.grpc_stats", "typed_config": stats}]
        for name, kind in ((FAULT, "fault.v3.HTTPFault"), (CORS, "cors.v3.Cors")):
            config = typed(f"envoy.extensions.filters.http.{kind}")
            filters.append({"name": name, "typed_config": config})
        router = typed("envoy.extensions.filters.http.router.v3.Router")
        if self.detected:
            filters.append(alpn_by_protocol())
        return [*self.guards, *filters, {"name": "envoy.filters.http.router", "typed_config": router}]

    def _edge(self) -> dict[str, Any]:
        """What a receiving proxy says and passes on about itself and the caller."""
        if self.role == "outbound":
            return {}
        return {"server_name": "istio-envoy", **self.topology.fields(gateway=self.role == "gateway")}


def _path_normalization(mode: str) -> dict[str, Any]:
    settings: dict[str, Any] = {"path_with_escaped_slashes_action": "KEEP_UNCHANGED"}
    if mode != "NONE":
        settings["normalize_path"] = True
    if mode in ("MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"):
        settings["merge_slashes"] = True
    if mode == "DECODE_AND_MERGE_SLASHES":
        settings["path_with_escaped_slashes_action"] = "UNESCAPE_AND_FORWARD"
    return settings


def tcp_proxy(target: str | dict[str, Any]) -> dict[str, Any]:
    """The TCP proxy filter; *target* is a cluster's name, or fields that choose among clusters."""
    fields = {"cluster": target, "stat_prefix": target} if isinstance(target, str) else target
    return {"name": "envoy.filters.network.tcp_proxy", "typed_config": typed(_TCP_PROXY, **fields)}


def fallthrough_cluster(mesh: MeshConfig) -> str:
    """Where bytes go that no listener knows what to do with."""
    return BLACK_HOLE if mesh.outbound_traffic_policy == REGISTRY_ONLY else PASSTHROUGH
