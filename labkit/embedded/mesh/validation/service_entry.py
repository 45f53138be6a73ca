"""Istio's rules for a ServiceEntry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labkit.embedded.mesh.container_files import UNIX
from labkit.embedded.mesh.services import HTTP_FAMILY, TLS_FAMILY, parse_protocol
from labkit.embedded.mesh.validation import common
from labkit.embedded.mesh.validation.common import Given
from labkit.embedded.mesh.validation.files import check_socket
from labkit.embedded.mesh.validation.report import Report, quoted
from labkit.embedded.objects import Obj, namespace_of


def check(obj: Obj, report: Report) -> None:
    spec = obj.get("spec") or {}
    resolution = str(spec.get("resolution") or "NONE")
    ports = spec.get("ports") or []
    report.errors_from(_shape(spec))
    report.errors_from(_hosts(spec.get("hosts") or [], report))
    report.errors_from(_addresses(spec.get("addresses") or [], resolution))
    report.errors_from(_ports(ports))
    report.errors_from(_endpoints(spec, resolution))
    report.errors_from(_one_host_for_tcp(spec, resolution))
    exported = spec.get("exportTo") or []
    report.errors_from(common.export_to(exported, namespace_of(obj), service_entry=True))
    _warnings(spec, report)


def _shape(spec: Given) -> Iterator[str]:
    yield from common.workload_selector(spec.get("workloadSelector"))
    if spec.get("workloadSelector") is not None and spec.get("endpoints"):
        yield "only one of WorkloadSelector or Endpoints is allowed in Service Entry"
    if not spec.get("hosts"):
        yield "service entry must have at least one host"


def _hosts(hosts: Sequence[str], report: Report) -> Iterator[str]:
    for host in hosts:
        if host == "*":
            yield f"invalid host {host}"
        else:
            yield from common.domain(host, wildcard=True)
            for warning in common.partial_wildcard(host):
                report.warning(warning)


def _addresses(addresses: Sequence[str], resolution: str) -> Iterator[str]:
    for address in addresses:
        yield from common.subnet(address)
    if resolution not in ("NONE", "STATIC") and any("/" in address for address in addresses):
        yield "CIDR addresses are allowed only for NONE/STATIC resolution types"


def _ports(ports: Sequence[Given]) -> Iterator[str]:
    names: set[str] = set()
    numbers: set[int] = set()
    for port in ports:
        name, number, protocol = (
            str(port.get("name") or ""),
            int(port.get("number") or 0),
            port.get("protocol"),
        )
        if name in names:
            yield f"service entry port name {quoted(name)} already defined"
        if number in numbers:
            yield f"service entry port {number} already defined"
        names.add(name)
        numbers.add(number)
        if port.get("targetPort"):
            yield from common.port(port["targetPort"])
        yield from _port_name(name)
        if protocol and not parse_protocol(str(protocol)):
            yield f"unsupported protocol: {protocol}"
        yield from common.port(number)


def _port_name(name: str) -> Iterator[str]:
    if not common.is_label(name):
        yield f"invalid port name: {name}"


def _endpoints(spec: Given, resolution: str) -> Iterator[str]:
    endpoints = spec.get("endpoints") or []
    names = {str(port.get("name") or "") for port in spec.get("ports") or []}
    if resolution == "NONE" and endpoints:
        yield "no endpoints should be provided for resolution type none"
    if resolution == "STATIC":
        for endpoint in endpoints:
            yield from _static_endpoint(endpoint, names)
    if resolution in ("DNS", "DNS_ROUND_ROBIN"):
        yield from _named(spec, resolution)
        for endpoint in endpoints:
            yield from _named_endpoint(endpoint, names)


def _static_endpoint(endpoint: Given, names: set[str]) -> Iterator[str]:
    address = str(endpoint.get("address") or "")
    if not address:
        yield "address is required"
    elif address.startswith(UNIX):
        if endpoint.get("ports"):
            yield f"unix endpoint {address} must not include ports"
    elif not common.is_address(address):
        yield f"endpoint address {quoted(address)} is not a valid IP address"
    yield from _endpoint_ports(endpoint, names)


def _named(spec: Given, resolution: str) -> Iterator[str]:
    endpoints = spec.get("endpoints") or []
    problems = [next(common.domain(host), "") for host in spec.get("hosts") or []]
    first = next((problem for problem in problems if problem), "")
    if not endpoints and first:
        yield (
            "hosts must be FQDN or contain only prefix wildcards if no endpoints are provided "
            f"for resolution mode {resolution}, {first}"
        )
    if resolution == "DNS_ROUND_ROBIN" and len(endpoints) > 1:
        yield f"there must only be 0 or 1 endpoint for resolution mode {resolution}"


def _named_endpoint(endpoint: Given, names: set[str]) -> Iterator[str]:
    address = str(endpoint.get("address") or "")
    if not common.is_address(address) and any(common.domain(address)):
        yield f"endpoint address {quoted(address)} is not a valid FQDN or an IP address"
    yield from _endpoint_ports(endpoint, names)


def _endpoint_ports(endpoint: Given, names: set[str]) -> Iterator[str]:
    yield from common.labels(endpoint.get("labels"))
    for name, number in (endpoint.get("ports") or {}).items():
        if name not in names:
            yield f"endpoint port {number} is not defined by the service entry"
        yield from _port_name(name)
        yield from common.port(number)


def _one_host_for_tcp(spec: Given, resolution: str) -> Iterator[str]:
    told_apart = HTTP_FAMILY | TLS_FAMILY
    protocols = [parse_protocol(str(port.get("protocol") or "")) for port in spec.get("ports") or []]
    if resolution != "NONE" and len(spec.get("hosts") or []) > 1 and set(protocols) - told_apart:
        yield "multiple hosts provided with non-HTTP, non-TLS ports"


_ENDPOINT_NOT_BUILT = (("network", "networks are not told apart; the endpoint is called directly"),)


def _warnings(spec: Given, report: Report) -> None:
    plain = [port for port in spec.get("ports") or [] if (port.get("protocol") or "TCP").upper() == "TCP"]
    for _ in plain if not spec.get("addresses") else ():
        report.warning(
            "addresses are required for ports serving TCP (or unset) protocol "
            "when IP Autoallocation is not enabled"
        )
    for position, endpoint in enumerate(spec.get("endpoints") or []):
        for field, consequence in _ENDPOINT_NOT_BUILT:
            if endpoint.get(field):
                report.ineffective(f"spec.endpoints[{position}].{field}", consequence)
        check_socket(str(endpoint.get("address") or ""), f"spec.endpoints[{position}].address", report)
    if spec.get("resolution") == "DYNAMIC_DNS":
        report.ineffective("spec.resolution", "DYNAMIC_DNS is not built yet; this entry has no effect")
