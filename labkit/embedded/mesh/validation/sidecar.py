"""Istio's rules for a Sidecar, and which of its fields are without effect here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labkit.embedded.mesh.container_files import UNIX
from labkit.embedded.mesh.services import TLS_FAMILY, parse_protocol
from labkit.embedded.mesh.validation import common
from labkit.embedded.mesh.validation.common import Given
from labkit.embedded.mesh.validation.destination_rule import connection_pool
from labkit.embedded.mesh.validation.files import check_socket
from labkit.embedded.mesh.validation.report import Report, quoted
from labkit.embedded.objects import Obj, namespace_of

_FIELDS = ("egress", "ingress", "outboundTrafficPolicy", "inboundConnectionPool")


def check(obj: Obj, report: Report) -> None:
    spec = obj.get("spec") or {}
    selector = spec.get("workloadSelector")
    report.errors_from(common.workload_selector(selector, "labels"))
    if not any(spec.get(field) for field in _FIELDS):
        report.error("sidecar: empty configuration provided")
        return
    if selector is not None and not selector.get("labels"):
        report.warning(
            "sidecar: workload selector specified without labels, "
            "will be applied to all services in namespace"
        )
    _ingress(spec.get("ingress") or [], report)
    if spec.get("inboundConnectionPool"):
        connection_pool(spec["inboundConnectionPool"], "spec.inboundConnectionPool", report)
    if (spec.get("outboundTrafficPolicy") or {}).get("egressProxy"):
        report.ineffective("spec.outboundTrafficPolicy.egressProxy", "is not enforced by this cluster yet")
    _egress(spec.get("egress") or [], namespace_of(obj), report)


def _ingress(entries: Sequence[Given | None], report: Report) -> None:
    seen: set[int] = set()
    for number, entry in enumerate(entries):
        path = f"spec.ingress[{number}]"
        if entry is None or entry.get("port") is None:
            missing = "ingress may not be null" if entry is None else "port is required for ingress listeners"
            report.error(f"sidecar: {missing}")
            continue
        report.errors_from(_ingress_port(entry["port"], seen))
        report.errors_from(_default_endpoint(str(entry.get("defaultEndpoint") or "")))
        check_socket(str(entry.get("defaultEndpoint") or ""), f"{path}.defaultEndpoint", report)
        if entry.get("tls") is not None:
            report.errors_from(_ingress_tls(entry["tls"], str(entry["port"].get("protocol") or "")))
            _not_read(entry["tls"], f"{path}.tls", report)
        if entry.get("connectionPool"):
            connection_pool(entry["connectionPool"], f"{path}.connectionPool", report)
        if entry.get("bind"):
            report.ineffective(f"{path}.bind", "the listener stands on the pod's address")
        if entry.get("captureMode") == "NONE":
            report.ineffective(f"{path}.captureMode", "what enters the pod is captured always")


def _ingress_port(port: Given, seen: set[int]) -> Iterator[str]:
    number = int(port.get("number") or 0)
    if port.get("targetPort"):
        yield "targetPort has no impact on Sidecars"
    yield from common.port(number)
    yield from _protocol(port)
    if number in seen:
        yield "sidecar: ports on IP bound listeners must be unique"
    seen.add(number)


_HOSTS = ("", "127.0.0.1", "0.0.0.0", "::1", "::")


def _default_endpoint(text: str) -> Iterator[str]:
    if not text or text.startswith(UNIX):
        return
    host, colon, port = text.rpartition(":")
    if not colon:
        yield f"address {text}: missing port in address"
        return
    if host.strip("[]") not in _HOSTS:
        yield (
            "sidecar: defaultEndpoint must be of form "
            "127.0.0.1:<port>,0.0.0.0:<port>,[::1]:port,[::]:port,unix://filepath or unset"
        )
    if not port.isdecimal():
        yield (
            f"sidecar: defaultEndpoint port ({port}) is not a number: "
            f"strconv.Atoi: parsing {quoted(port)}: invalid syntax"
        )
    else:
        yield from common.port(port)


_UNSUPPORTED = (
    ("subjectAltNames", "subjectAltNames is not supported in ingress tls"),
    ("httpsRedirect", "httpsRedirect is not supported"),
    ("credentialName", "credentialName is not currently supported"),
    ("credentialNames", "credentialNames is not currently supported"),
    ("tlsCertificates", "tls_certificates is not currently supported"),
)


def _ingress_tls(tls: Given, protocol: str) -> Iterator[str]:
    yield from (f"sidecar: {words}" for field, words in _UNSUPPORTED if tls.get(field))
    mode = str(tls.get("mode") or "PASSTHROUGH")
    if mode in ("ISTIO_MUTUAL", "AUTO_PASSTHROUGH"):
        yield f"configuration is invalid: cannot set mode to {mode} in sidecar ingress tls"
    if parse_protocol(protocol) not in TLS_FAMILY:
        yield "server cannot have TLS settings for non HTTPS/TLS ports"
    if mode in ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL"):
        if not tls.get("serverCertificate"):
            yield f"{mode} TLS requires a server certificate"
        if not tls.get("privateKey"):
            yield f"{mode} TLS requires a private key"
    if mode == "MUTUAL" and not tls.get("caCertificates"):
        yield "MUTUAL TLS requires a client CA bundle"


_NOT_READ = ("caCrl", "caCertCredentialName", "verifyCertificateSpki", "verifyCertificateHash")


def _not_read(tls: Given, path: str, report: Report) -> None:
    for field in _NOT_READ:
        if tls.get(field):
            report.ineffective(f"{path}.{field}", "a sidecar does not look at it")


def _egress(entries: Sequence[Given], namespace: str, report: Report) -> None:
    report.errors_from(_order(entries))
    for number, entry in enumerate(entries):
        if entry:
            _hosts([str(each) for each in entry.get("hosts") or []], namespace, report)
            _not_built(entry, f"spec.egress[{number}]", report)


def _order(entries: Sequence[Given]) -> Iterator[str]:
    """One entry for all ports, the last; one for each port before it."""
    seen: set[int] = set()
    for number, entry in enumerate(entries):
        if entry is None:
            yield "egress listener may not be null"
        elif entry.get("port") is None:
            if number < len(entries) - 1:
                yield "sidecar: the egress listener with empty port should be the last listener in the list"
        else:
            yield from _port(entry, seen)


def _port(entry: Given, seen: set[int]) -> Iterator[str]:
    port, bind = entry["port"], str(entry.get("bind") or "")
    number = int(port.get("number") or 0)
    if port.get("targetPort"):
        yield "targetPort has no impact on Sidecars"
    if not number and not bind.startswith(UNIX):
        yield "sidecar: ports with 0 value must have a unix domain socket bind address"
    elif number:
        yield from common.port(number)
        if number in seen:
            yield "sidecar: ports on IP bound listeners must be unique"
        seen.add(number)
    yield from _protocol(port)


def _protocol(port: Given) -> Iterator[str]:
    protocol = str(port.get("protocol") or "")
    if protocol and not parse_protocol(protocol) and protocol != "HTTP_PROXY":
        yield f"unsupported protocol: {protocol}"


def _hosts(hosts: Sequence[str], namespace: str, report: Report) -> None:
    if not hosts:
        report.error("sidecar: egress listener must contain at least one host")
    seen: dict[str, set[str]] = {}
    for text in hosts:
        owner, slash, host = text.partition("/")
        owner = namespace if owner == "." else owner
        if slash and not owner.startswith("~"):
            known = seen.setdefault(owner, set())
            if known & {host, "*"} or (host == "*" and known):
                report.warning(f"duplicated egress host: {text}")
            known.add(host)
        report.errors_from(_host(text))
    if "*" in seen.get("*", ()) and len(seen) != 1:
        report.warning("`*/*` host select all resources, no other hosts can be added")


def _host(text: str) -> Iterator[str]:
    """``namespace/host``, where either may be ``*``."""
    parts = text.split("/")
    if len(parts) != 2 or not all(parts):
        yield (
            f"host must be of form namespace/dnsName, found {text}"
            if "/" not in text
            else (f"config namespace and dnsName in host entry must be non-empty, found {text}")
        )
        return
    owner, host = parts
    if owner not in ("*", ".", "~") and not common.is_label(owner):
        yield f"invalid namespace value {owner!r} in host entry {text}"
    if host != "*":
        yield from common.domain(host, wildcard=True)


def _not_built(entry: Given, path: str, report: Report) -> None:
    if entry.get("bind"):
        report.ineffective(f"{path}.bind", "no listener of one's own is opened for it")
    if entry.get("captureMode") not in (None, "DEFAULT", "IPTABLES"):
        report.ineffective(f"{path}.captureMode", "what leaves the pod is captured always")
    if str((entry.get("port") or {}).get("protocol") or "").upper() == "HTTP_PROXY":
        report.ineffective(f"{path}.port.protocol", "a sidecar is no HTTP proxy here")
