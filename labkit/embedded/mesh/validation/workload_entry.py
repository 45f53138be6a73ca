"""Istio's rules for a WorkloadEntry."""

from __future__ import annotations

from collections.abc import Iterator

from labkit.embedded.mesh.container_files import UNIX
from labkit.embedded.mesh.validation import common
from labkit.embedded.mesh.validation.common import Given
from labkit.embedded.mesh.validation.files import check_socket
from labkit.embedded.mesh.validation.report import Report, quoted
from labkit.embedded.objects import Obj


def check(obj: Obj, report: Report) -> None:
    spec = obj.get("spec") or {}
    report.errors_from(_errors(spec))
    check_socket(str(spec.get("address") or ""), "spec.address", report)
    if spec.get("network"):
        report.ineffective("spec.network", "networks are not told apart; the workload is called directly")


def _errors(spec: Given) -> Iterator[str]:
    address = str(spec.get("address") or "")
    if not address:
        if not spec.get("network"):
            yield "address is required"
    elif address.startswith(UNIX):
        if spec.get("ports"):
            yield f"unix endpoint {address} must not include ports"
    elif not common.is_address(address) and any(common.domain(address)):
        yield f"endpoint address {quoted(address)} is not a valid FQDN or an IP address"
    yield from common.labels(spec.get("labels"))
    for name, number in (spec.get("ports") or {}).items():
        if not common.is_label(name):
            yield f"invalid port name: {name}"
        yield from common.port(number)
