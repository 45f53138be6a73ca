"""Istio's rules for a VirtualService."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from labkit.embedded.mesh.hosts import covers
from labkit.embedded.mesh.security.claims import routing_claim
from labkit.embedded.mesh.validation import common
from labkit.embedded.mesh.validation.common import Given
from labkit.embedded.mesh.validation.destinations import check_destinations
from labkit.embedded.mesh.validation.http_route import check_http_route
from labkit.embedded.mesh.validation.report import Report, quoted
from labkit.embedded.mesh.validation.unreachable import unreachable_rules
from labkit.embedded.mesh.virtual_services import MESH, json_names
from labkit.embedded.objects import Obj, namespace_of

_MOST_TOLD = 100  # pairs of hosts that are in each other's way


def check(obj: Obj, report: Report) -> None:
    spec = obj.get("spec") or {}
    hosts = [str(host) for host in spec.get("hosts") or []]
    is_delegate = not hosts
    if is_delegate:
        report.errors_from(_delegate(spec))
    gateways = [str(gateway) for gateway in spec.get("gateways") or []]
    report.errors_from(common.gateway_names(gateways))
    for warning in common.legacy_gateway_names(gateways):
        report.warning(warning)
    report.errors_from(_hosts(hosts, in_mesh=not gateways or MESH in gateways))
    if not gateways or MESH in gateways:
        report.errors_from(_claims(spec, gateways))
    if not any(spec.get(kind) for kind in ("http", "tls", "tcp")):
        report.error("http, tcp or tls must be provided in virtual service")
    _rules(spec, hosts, report, is_delegate=is_delegate)
    report.errors_from(common.export_to(spec.get("exportTo") or [], namespace_of(obj)))
    for warning in unreachable_rules(spec):
        report.warning(warning)


def _claims(spec: Given, gateways: Sequence[str]) -> Iterator[str]:
    matches = [match or {} for rule in spec.get("http") or [] for match in (rule or {}).get("match") or []]
    for match in matches:
        for name in (*(match.get("headers") or {}), *(match.get("withoutHeaders") or {})):
            if routing_claim(name) is not None:
                found = f"found no gateways: [{' '.join(gateways)}]"
                yield f"JWT claim based routing (key: {name}) is only supported for gateway, {found}"


def _delegate(spec: Given) -> Iterator[str]:
    kinds = (("gateways", "gateways"), ("tls", "tls route"), ("tcp", "tcp route"))
    for field, words in kinds:
        if spec.get(field):
            yield f"delegate virtual service must have no {words} specified"


def _hosts(hosts: Sequence[str], *, in_mesh: bool) -> Iterator[str]:
    problems = [problem for host in hosts for problem in _host(host, in_mesh=in_mesh)]
    yield from problems or _duplicates(hosts)


def _host(host: str, *, in_mesh: bool) -> Iterator[str]:
    problems = list(common.domain(host, wildcard=True))
    if problems and not common.is_address(host):
        yield from problems
    elif host == "*" and in_mesh:
        yield "wildcard host * is not allowed for virtual services bound to the mesh gateway"


def _duplicates(hosts: Sequence[str]) -> Iterator[str]:
    for one, other in sorted(islice(_overlaps(hosts), _MOST_TOLD)):
        yield f"duplicate hosts in virtual service: {hosts[one]} & {hosts[other]}"


def _overlaps(hosts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Positions of hosts of which one covers the other, by look-ups: there may be thousands."""
    places: dict[str, list[int]] = {}
    for position, host in enumerate(hosts):
        places.setdefault(host, []).append(position)
    for position, host in enumerate(hosts):
        bare = host.removeprefix("*")
        covering = {host, *(f"*{bare[start:]}" for start in range(len(bare) + 1))}
        for found in (place for pattern in covering for place in places.get(pattern, ())):
            if hosts[found] != host or found < position:
                yield min(found, position), max(found, position)


def _rules(spec: Given, hosts: Sequence[str], report: Report, *, is_delegate: bool) -> None:
    for position, rule in enumerate(spec.get("http") or []):
        if "mirror_percent" in rule and "mirrorPercent" in rule:
            report.error('duplicate field "mirrorPercent"')  # protobuf's words
        check_http_route(json_names(rule), f"spec.http[{position}]", report, is_delegate=is_delegate)
    for position, rule in enumerate(spec.get("tls") or []):
        report.errors_from(_tls_rule(rule, hosts))
        _not_built(rule, f"spec.tls[{position}]", report)
    for position, rule in enumerate(spec.get("tcp") or []):
        report.errors_from(_tcp_rule(rule))
        _not_built(rule, f"spec.tcp[{position}]", report)


def _tls_rule(rule: Given, hosts: Sequence[str]) -> Iterator[str]:
    if not rule.get("match"):
        yield "TLS route must have at least one match condition"
    for match in rule.get("match") or []:
        if not match.get("sniHosts"):
            yield "TLS match must have at least one SNI host"
        for host in match.get("sniHosts") or []:
            yield from _sni_host(str(host), hosts)
        yield from _opaque_match(match)
    if not rule.get("route"):
        yield "TLS route is required"
    yield from check_destinations(rule.get("route") or [])


def _sni_host(name: str, hosts: Sequence[str]) -> Iterator[str]:
    problems = list(common.domain(name, wildcard=True))
    yield from problems
    if not problems and not any(covers(host, name) for host in hosts):
        among = f"any of the virtual service hosts: [{', '.join(hosts)}]"
        yield f"SNI host {quoted(name)} is not a compatible subset of {among}"


def _tcp_rule(rule: Given) -> Iterator[str]:
    for match in rule.get("match") or []:
        yield from _opaque_match(match)
    if not rule.get("route"):
        yield "TCP route is required"
    yield from check_destinations(rule.get("route") or [])


def _opaque_match(match: Given) -> Iterator[str]:
    for subnet in match.get("destinationSubnets") or []:
        yield from common.subnet(str(subnet))
    if match.get("port"):
        yield from common.port(match["port"])
    yield from common.labels(match.get("sourceLabels"))
    yield from common.gateway_names(match.get("gateways") or [])


def _not_built(rule: Given, path: str, report: Report) -> None:
    for position, match in enumerate(rule.get("match") or []):
        if match.get("sourceSubnet"):
            report.ineffective(
                f"{path}.match[{position}].sourceSubnet", "is not looked at; every caller fits"
            )
