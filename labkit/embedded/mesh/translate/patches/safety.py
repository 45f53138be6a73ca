"""What a patch's value may not bring: files that are read or written, and code that is run.

SECURITY.md promises that a manifest brings no program of its own. A proxy here is a process of the learner's,
without a container around it, so an EnvoyFilter's value is only put into one if all that it is made of is
known to do neither. Lua is, once what leads out of it has been taken away: :func:`tamed`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from labkit.embedded.mesh.container_files import place
from labkit.embedded.mesh.xds.constraints import unpacked

_EXTENSIONS = "envoy.extensions."
_HTTP = (
    *("adaptive_concurrency", "admission_control", "api_key_auth", "bandwidth_limit", "basic_auth", "buffer"),
    *("cache", "compressor", "connect_grpc_bridge", "cors", "credential_injector", "csrf", "custom_response"),
    *("decompressor", "dynamic_forward_proxy", "ext_authz", "ext_proc", "fault", "grpc_http1_bridge"),
    *("grpc_stats", "grpc_web", "header_mutation", "header_to_metadata", "health_check", "ip_tagging"),
    *("json_to_metadata", "jwt_authn", "local_ratelimit", "lua", "oauth2", "original_src", "ratelimit"),
    *("rate_limit_quota", "rbac", "router", "set_filter_state", "set_metadata", "stateful_session"),
)
_NETWORK = (
    *(
        "connection_limit",
        "direct_response",
        "echo",
        "ext_authz",
        "http_connection_manager",
        "local_ratelimit",
    ),
    *("mongo_proxy", "ratelimit", "rbac", "redis_proxy", "set_filter_state", "sni_cluster", "tcp_proxy"),
)
_LISTENER = (
    *("http_inspector", "local_ratelimit", "original_dst", "original_src", "proxy_protocol", "tls_inspector"),
)
_KNOWN = (
    *(f"{_EXTENSIONS}filters.http.{each}." for each in _HTTP),
    *(f"{_EXTENSIONS}filters.network.{each}." for each in _NETWORK),
    *(f"{_EXTENSIONS}filters.listener.{each}." for each in _LISTENER),
    *(f"{_EXTENSIONS}transport_sockets.{each}." for each in ("tls", "raw_buffer", "proxy_protocol")),
    *(f"{_EXTENSIONS}clusters.{each}." for each in ("aggregate", "dynamic_forward_proxy")),
    *(f"{_EXTENSIONS}access_loggers.{each}." for each in ("file", "grpc", "stream", "open_telemetry")),
    *(f"{_EXTENSIONS}formatter.{each}." for each in ("metadata", "req_without_query")),
    *(f"{_EXTENSIONS}http.{each}." for each in ("original_ip_detection", "stateful_session")),
    *(f"{_EXTENSIONS}{each}." for each in ("compression", "load_balancing_policies", "request_id", "retry")),
    *(f"{_EXTENSIONS}{each}." for each in ("rate_limit_descriptors", "internal_redirect", "upstreams")),
    f"{_EXTENSIONS}http.cache.simple_http_cache.",
    "envoy.config.trace.v3.ZipkinConfig",
    "envoy.config.trace.v3.OpenTelemetryConfig",
    "google.protobuf.",
    "envoy.type.",
)
"""How the names of the messages begin that an ``Any`` may hold."""
_CORE = "envoy.config.core.v3."
_FILES = frozenset(
    {
        *((f"{_CORE}DataSource", each) for each in ("filename", "environment_variable")),
        *((f"{_CORE}ConfigSource", each) for each in ("path", "path_config_source")),
        (f"{_CORE}Address", "pipe"),
        (f"{_CORE}SocketAddress", "network_namespace_filepath"),
        (f"{_CORE}GrpcService", "google_grpc"),
        (f"{_CORE}HealthCheck", "event_log_path"),
        (f"{_CORE}WatchedDirectory", "path"),
        (f"{_EXTENSIONS}transport_sockets.tls.v3.CommonTlsContext", "key_log"),
        (f"{_EXTENSIONS}filters.network.mongo_proxy.v3.MongoProxy", "access_log"),
    }
)
"""(message, field) of what is read from files, or written to them."""
_LOG = f"{_EXTENSIONS}access_loggers.file.v3.FileAccessLog"


def findings(message: Message) -> Iterator[str]:
    """What of *message* may not be."""
    name = message.DESCRIPTOR.full_name
    if isinstance(message, AnyMessage):
        yield from _in_any(message)
        return
    for field, value in message.ListFields():
        if (name, field.name) in _FILES or _is_log_elsewhere(name, field.name, value):
            yield f"{name.rpartition('.')[2]}.{field.name} leads to the machine's files"
        elif field.message_type is not None:
            for each in _messages(field, value):
                yield from findings(each)


def _is_log_elsewhere(name: str, field: str, value: Any) -> bool:
    return (name, field) == (_LOG, "path") and place(value) is None


def _in_any(message: AnyMessage) -> Iterator[str]:
    name = message.type_url.rpartition("/")[2]
    inner = unpacked(message) if name.startswith(_KNOWN) else None
    if inner is None:
        yield f"{name} could read files or run code"
    else:
        yield from findings(inner)


def _messages(field: Any, value: Any) -> Iterator[Message]:
    if field.message_type.GetOptions().map_entry:
        yield from (each for each in value.values() if isinstance(each, Message))
    elif field.is_repeated:
        yield from value
    else:
        yield value


_TYPE = "@type"
_STRUCTS = ("xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct")
_LUA = (f"{_EXTENSIONS}filters.http.lua.v3.Lua", f"{_EXTENSIONS}filters.http.lua.v3.LuaPerRoute")
_NOTHING_OUTSIDE = (
    "os={time=os.time,clock=os.clock,date=os.date,difftime=os.difftime} string.dump=nil "
    "io,package,require,module,debug,dofile,loadfile,load,loadstring,jit,ffi,newproxy=nil "
)
"""Before the first line of each script: what leads to files, programs and machine code is gone."""


def plain(value: Any) -> Any:
    """*value* with what stands in a ``TypedStruct`` as the message that it says it is."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    if str(value.get(_TYPE) or "").rpartition("/")[2] in _STRUCTS:
        kind = str(value.get("type_url") or value.get("typeUrl") or "")
        return plain({**(value.get("value") or {}), _TYPE: kind})
    return {key: plain(each) for key, each in value.items()}


def tamed(value: Any) -> Any:
    """*value*, a message as JSON in protobuf's spelling, with its Lua shut in, and logs in the container."""
    if isinstance(value, list):
        return [tamed(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {key: tamed(each) for key, each in value.items()}
    kind = str(value.get(_TYPE) or "").rpartition("/")[2]
    if kind == _LOG and "path" in found:
        found["path"] = place(found["path"])
    if kind not in _LUA:
        return found
    for key in ("default_source_code", "source_code"):
        found |= {key: _shut_in(found[key])} if key in found else {}
    if "inline_code" in found:
        found["inline_code"] = _NOTHING_OUTSIDE + found["inline_code"]
    if "source_codes" in found:
        found["source_codes"] = {name: _shut_in(each) for name, each in found["source_codes"].items()}
    return found


def _shut_in(source: dict[str, Any]) -> dict[str, Any]:
    text = source.get("inline_string")
    if "inline_bytes" in source:
        try:
            text = base64.b64decode(source["inline_bytes"]).decode()
        except (binascii.Error, ValueError) as error:
            raise ValueError(f"a script has to be text: {error}") from error
    return source if text is None else {"inline_string": _NOTHING_OUTSIDE + text}
