"""Istio's rules for a Gateway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labkit.embedded.mesh.services import HTTP_FAMILY, TLS_FAMILY, parse_protocol
from labkit.embedded.mesh.validation import common
from labkit.embedded.mesh.validation.common import Given
from labkit.embedded.mesh.validation.report import Report, quoted
from labkit.embedded.objects import Obj, name_of

_PROTOCOLS = "HTTP, HTTP2, GRPC, GRPC-WEB, MONGO, REDIS, MYSQL, TCP"
_PLAIN_TLS = {"httpsRedirect"}


def check(obj: Obj, report: Report) -> None:
    servers = (obj.get("spec") or {}).get("servers") or []
    if not common.is_label(name_of(obj)):
        report.error(f"invalid gateway name: {quoted(name_of(obj))}")
    if not servers:
        report.error("gateway must have at least one server")
    for position, server in enumerate(servers):
        report.errors_from(_server(server))
        _not_built(server, f"spec.servers[{position}]", report)
    report.errors_from(_unique_names(servers))


def _unique_names(servers: list[Given]) -> Iterator[str]:
    seen: set[str] = set()
    for server in servers:
        name = str((server.get("port") or {}).get("name") or "")
        if server.get("port") and name in seen:
            yield f"port names in servers must be unique: duplicate name {name}"
        seen.add(name)


def _server(server: Given) -> Iterator[str]:
    hosts = server.get("hosts") or []
    if not hosts:
        yield "server config must contain at least one host"
    for host in hosts:
        yield from _host(str(host))
    problems = list(_port(server.get("port"), str(server.get("bind") or "")))
    yield from problems
    yield from _bind(server)
    yield from _certificates(server.get("tls") or {})
    if not problems:
        yield from _tls_and_protocol(server)


def _host(text: str) -> Iterator[str]:
    namespace, slash, host = text.partition("/")
    if not slash:
        yield from _host_name(text)
    elif not namespace or not host:
        yield "config namespace and dnsName in host entry cannot be empty"
    else:
        if namespace not in ("*", ".") and not common.is_label(namespace):
            yield f"invalid namespace value {quoted(namespace)} in gateway"
        yield from _host_name(host)


def _host_name(host: str) -> Iterator[str]:
    if host != "*" and "." not in host:
        yield "short names (non FQDN) are not allowed"
    if not common.is_address(host):
        yield from common.domain(host, wildcard=True)
    yield from common.partial_wildcard(host)


def _port(port: Given | None, bind: str) -> Iterator[str]:
    if not port:
        yield "port is required"
        return
    protocol = str(port.get("protocol") or "")
    if not parse_protocol(protocol):
        yield f"invalid protocol {quoted(protocol)}, supported protocols are {_PROTOCOLS}"
    if port.get("number") or not bind:
        yield from common.port(port.get("number"))
    if port.get("targetPort"):
        yield "targetPort has no impact on Gateways"
    if not port.get("name"):
        yield f"port name must be set: {_message(port)}"


def _message(port: Given) -> str:
    """*port* as Go prints a protobuf message."""
    fields = (("number", port.get("number")), ("protocol", port.get("protocol")))
    return "  ".join(f"{name}:{_value(value)}" for name, value in fields if value)


def _value(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else str(value)


def _bind(server: Given) -> Iterator[str]:
    bind, port = str(server.get("bind") or ""), server.get("port") or {}
    if bind.startswith("unix://"):
        if port.get("number"):
            yield f"port number must be 0 for unix domain socket: {_message(port)}"
    elif bind and not common.is_address(bind):
        yield f"{bind} is not a valid IP address"


def _tls_and_protocol(server: Given) -> Iterator[str]:
    protocol, tls = parse_protocol(str(server["port"].get("protocol"))), server.get("tls")
    if protocol in TLS_FAMILY:
        if not tls:
            yield "server must have TLS settings for HTTPS/TLS protocols"
    elif tls and protocol in HTTP_FAMILY:
        if set(tls) - _PLAIN_TLS:
            yield "server cannot have TLS settings for plain text HTTP ports"
    elif tls:
        yield "server cannot have TLS settings for non HTTPS/TLS ports"


def _certificates(tls: Given) -> Iterator[str]:
    mode = tls.get("mode") or "PASSTHROUGH"
    if mode == "ISTIO_MUTUAL":
        yield from _none_for_istio_mutual(tls)
        return
    if mode not in ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL"):
        return
    if tls.get("credentialName") or tls.get("credentialNames"):
        return
    prefix = "SIMPLE TLS" if mode == "SIMPLE" else "MUTUAL TLS"
    if mode != "SIMPLE" and not tls.get("caCertificates"):
        yield f"{prefix} requires a client CA bundle"
    for pair in tls.get("tlsCertificates") or [tls]:
        if not pair.get("serverCertificate"):
            yield f"{prefix} requires a server certificate"
        if not pair.get("privateKey"):
            yield f"{prefix} requires a private key"


_OWN_CERTIFICATES = (
    ("serverCertificate", "server certificate"),
    ("privateKey", "private key"),
    ("caCertificates", "CA bundle"),
    ("credentialName", "credentialName"),
)


def _none_for_istio_mutual(tls: Given) -> Iterator[str]:
    for field, words in _OWN_CERTIFICATES:
        if tls.get(field):
            yield f"ISTIO_MUTUAL TLS cannot have associated {words}"


def _not_built(server: Given, path: str, report: Report) -> None:
    if (server.get("tls") or {}).get("caCrl"):
        report.ineffective(
            f"{path}.tls.caCrl", "no such file is read; put the list into the Secret, as ca.crl"
        )
    if server.get("defaultEndpoint"):
        report.ineffective(
            f"{path}.defaultEndpoint", "is not looked at; VirtualServices say where requests go"
        )
    if str(server.get("bind") or "").startswith("unix://"):
        report.ineffective(f"{path}.bind", "Unix sockets are not served; nothing will listen there")
