"""The access logs of one side of a proxy: those that Telemetries choose, else the mesh's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from labkit.embedded.mesh.container_files import place
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.telemetries import ENVOY, Log, Provider
from labkit.embedded.mesh.translate.naming import typed
from labkit.embedded.mesh.translate.telemetry.collectors import grpc_service
from labkit.embedded.mesh.translate.telemetry.log_format import (
    JSON_FORMAT,
    TEXT_FORMAT,
    file_log,
    mesh_format,
    placed,
)
from labkit.embedded.mesh.translate.telemetry.metrics import both

_CEL = "envoy.access_loggers.extension_filters.cel"
_NO_ROUTE = {"response_flag_filter": {"flags": ["NR"]}}
_ALS = "envoy.extensions.access_loggers"
_PEERS = ["upstream_peer", "downstream_peer"]


@dataclass(frozen=True)
class AccessLogs:
    """``access_log`` lists of connection managers, TCP proxies and listeners."""

    state: MeshState
    proxy: Proxy
    asked: Sequence[Log]
    inbound: bool

    @cached_property
    def of_http(self) -> list[dict[str, Any]]:
        return self._of("http")

    @cached_property
    def of_tcp(self) -> list[dict[str, Any]]:
        return self._of("tcp")

    @cached_property
    def of_listener(self) -> list[dict[str, Any]]:
        """A listener's own: only connections that no filter chain takes (flag NR)."""
        logs = self._of("tcp")
        return [{**each, "filter": _all(_NO_ROUTE, each.get("filter"))} for each in logs]

    def _of(self, protocol: str) -> list[dict[str, Any]]:
        made = [(each, self._logger(each.provider)) for each in self.asked]
        chosen = [(log, logger) for log, logger in made if logger]
        if not chosen:
            mesh = self.state.mesh
            own = self._file(mesh.access_log_file, mesh_format(mesh))
            return [own] if own else []
        return [
            {**logger, **({"filter": _expression(log.expression)} if log.expression else {})}
            for log, logger in chosen
            if not log.disabled
        ]

    def _logger(self, provider: Provider) -> dict[str, Any] | None:
        settings = provider.settings
        match provider.kind:
            case "envoyFileAccessLog":
                return self._file(str(settings.get("path") or "/dev/stdout"), self._file_format(provider))
            case "envoyHttpAls":
                return self._http_service(settings)
            case "envoyTcpAls":
                return self._tcp_service(settings)
            case "envoyOtelAls":
                return self._opentelemetry(settings)
        return None

    def _file(self, path: str, form: dict[str, Any]) -> dict[str, Any] | None:
        """None for a file that the proxy's container has not."""
        where = place(path, self.state.pod_of(self.proxy))
        return None if where is None else file_log(where, placed(form, inbound=self.inbound))

    def _file_format(self, provider: Provider) -> dict[str, Any]:
        form, omit = provider.settings.get("logFormat"), bool(provider.settings.get("omitEmptyValues"))
        if provider.name == ENVOY and not form and not omit:
            return mesh_format(self.state.mesh)
        if form and "labels" in form:
            found: dict[str, Any] = {"json_format": form["labels"] or JSON_FORMAT}
        else:
            text = str((form or {}).get("text") or TEXT_FORMAT)
            line = text if text.endswith("\n") else text + "\n"
            found = {"text_format_source": {"inline_string": line}}
        return found | ({"omit_empty_values": True} if omit else {})

    def _common(self, settings: Mapping[str, Any], name: str) -> dict[str, Any] | None:
        service = grpc_service(self.state, settings)
        if service is None:
            return None
        return {
            "log_name": settings.get("logName") or name,
            "grpc_service": service,
            "transport_api_version": "V3",
            "filter_state_objects_to_log": settings.get("filterStateObjectsToLog") or _PEERS,
        }

    def _http_service(self, settings: Mapping[str, Any]) -> dict[str, Any] | None:
        common = self._common(settings, "http_envoy_accesslog")
        if common is None:
            return None
        more = {
            f"additional_{snake}_to_log": settings.get(f"additional{camel}ToLog") or []
            for snake, camel in (
                ("request_headers", "RequestHeaders"),
                ("response_headers", "ResponseHeaders"),
                ("response_trailers", "ResponseTrailers"),
            )
        }
        config = typed(f"{_ALS}.grpc.v3.HttpGrpcAccessLogConfig", common_config=common, **more)
        return {"name": "envoy.access_loggers.http_grpc", "typed_config": config}

    def _tcp_service(self, settings: Mapping[str, Any]) -> dict[str, Any] | None:
        common = self._common(settings, "tcp_envoy_accesslog")
        if common is None:
            return None
        config = typed(f"{_ALS}.grpc.v3.TcpGrpcAccessLogConfig", common_config=common)
        return {"name": "envoy.tcp_grpc_access_log", "typed_config": config}

    def _opentelemetry(self, settings: Mapping[str, Any]) -> dict[str, Any] | None:
        common = self._common(settings, "otel_envoy_accesslog")
        if common is None:
            return None
        form = settings.get("logFormat") or {}
        labels = sorted((form.get("labels") or {}).items())
        values = [{"key": key, "value": {"string_value": str(each)}} for key, each in labels]
        fields: dict[str, Any] = {"attributes": {"values": values}} if values else {}
        config = typed(
            f"{_ALS}.open_telemetry.v3.OpenTelemetryAccessLogConfig",
            common_config=common,
            disable_builtin_labels=True,
            body={"string_value": form.get("text") or TEXT_FORMAT},
            **fields,
        )
        return {"name": "envoy.access_loggers.open_telemetry", "typed_config": config}


def _expression(cel: str) -> dict[str, Any]:
    config = typed(f"{_ALS}.filters.cel.v3.ExpressionFilter", expression=cel)
    return {"extension_filter": {"name": _CEL, "typed_config": config}}


def _all(*filters: dict[str, Any] | None) -> dict[str, Any]:
    return both(*(each for each in filters if each))
