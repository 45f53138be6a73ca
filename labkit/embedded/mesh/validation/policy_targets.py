"""What AuthorizationPolicies, RequestAuthentications and Telemetries may be attached to."""

from __future__ import annotations

from collections.abc import Iterator

from labkit.embedded.mesh.targets import targets_of
from labkit.embedded.mesh.validation import common
from labkit.embedded.mesh.validation.common import Given
from labkit.embedded.mesh.validation.report import Report

_KINDS = {
    ("", "Service"): "core/v1/Service",
    ("core", "Service"): "core/v1/Service",
    ("networking.istio.io", "ServiceEntry"): "networking.istio.io/v1/ServiceEntry",
    ("gateway.networking.k8s.io", "Gateway"): "gateway.networking.k8s.io/v1/Gateway",
    ("gateway.networking.k8s.io", "GatewayClass"): "gateway.networking.k8s.io/v1/GatewayClass",
}


def check(spec: Given, report: Report) -> None:
    """Errors of ``selector``, ``targetRef`` and ``targetRefs``; warnings where nothing can be attached."""
    report.errors_from(_errors(spec))
    selector = spec.get("selector")
    if selector is not None and not selector.get("matchLabels"):
        report.warning("workload selector specified without labels")
    warn(spec, report)


def warn(spec: Given, report: Report) -> None:
    """Of targets that nothing can be attached to."""
    for field, target in targets_of(spec):
        if target.get("kind") != "Gateway":
            kind = target.get("kind")
            report.ineffective(field, f"{kind} is for waypoints, which this cluster has none of: no effect")


def _errors(spec: Given) -> Iterator[str]:
    given = [spec.get("selector") is not None, bool(spec.get("targetRef")), bool(spec.get("targetRefs"))]
    if sum(given) > 1:
        yield "only one of targetRefs or workloadSelector can be set"
    yield from common.workload_selector(spec.get("selector"), "matchLabels")
    for _, target in targets_of(spec):
        yield from _target(target)


def _target(target: Given) -> Iterator[str]:
    if not target.get("name"):
        yield "targetRef name must be set"
    if target.get("namespace"):
        yield "targetRef namespace must not be set; cross namespace referencing is not supported"
    group, kind = target.get("group") or "", target.get("kind") or ""
    if (group, kind) not in _KINDS:
        allowed = " ".join(dict.fromkeys(_KINDS.values()))
        yield f"targetRef must be to one of [{allowed}] but was {group}/{kind}"
