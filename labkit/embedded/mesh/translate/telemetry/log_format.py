"""Access logs: Istio's formats, text and JSON, as Envoy writes them.

The operators are Istio's own but for one. In a real pod the inbound cluster dials the pod's own
address; here it dials the app's private one (see ``translate.placement``), so the inbound log prints the
endpoint's *host name*, which is set to the address a real mesh would show.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from labkit.embedded.mesh.mesh_config import MeshConfig
from labkit.embedded.mesh.translate.naming import typed

TEXT_FORMAT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% '
    "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
    '"%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% '
    '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" '
    '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% '
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% "
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"
)

JSON_FORMAT: Mapping[str, str] = {
    "start_time": "%START_TIME%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "response_code": "%RESPONSE_CODE%",
    "response_flags": "%RESPONSE_FLAGS%",
    "response_code_details": "%RESPONSE_CODE_DETAILS%",
    "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
    "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration": "%DURATION%",
    "upstream_service_time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
    "user_agent": "%REQ(USER-AGENT)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "authority": "%REQ(:AUTHORITY)%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
    "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
    "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "requested_server_name": "%REQUESTED_SERVER_NAME%",
    "route_name": "%ROUTE_NAME%",
}

_UPSTREAM, _UPSTREAM_NAME = "%UPSTREAM_HOST%", "%UPSTREAM_HOST_NAME%"


def file_log(path: str, log_format: dict[str, Any]) -> dict[str, Any]:
    """The access log that is written to *path*."""
    kind = "envoy.extensions.access_loggers.file.v3.FileAccessLog"
    config = typed(kind, path=path, log_format=log_format)
    return {"name": "envoy.access_loggers.file", "typed_config": config}


def mesh_format(mesh: MeshConfig) -> dict[str, Any]:
    """``accessLogFormat`` in ``accessLogEncoding``, as a ``SubstitutionFormatString``."""
    if mesh.access_log_encoding == "JSON":
        return {"json_format": _json_format(mesh)}
    text = mesh.access_log_format or TEXT_FORMAT
    # As istiod: a format of one's own gets the line end it may lack.
    line = text if text.endswith("\n") else text + "\n"
    return {"text_format_source": {"inline_string": line}}


def _json_format(mesh: MeshConfig) -> Mapping[str, Any]:
    """``accessLogFormat`` where it is a JSON object; Istio's own where it is not, as istiod does."""
    try:
        given = json.loads(mesh.access_log_format or "null")
    except ValueError:
        given = None
    return given if isinstance(given, dict) else JSON_FORMAT


def placed(value: Any, *, inbound: bool) -> Any:
    """*value*, a format or a part of one, as a proxy without iptables has to print it."""
    if not inbound:
        return value
    if isinstance(value, Mapping):
        return {key: placed(each, inbound=inbound) for key, each in value.items()}
    return value.replace(_UPSTREAM, _UPSTREAM_NAME) if isinstance(value, str) else value
