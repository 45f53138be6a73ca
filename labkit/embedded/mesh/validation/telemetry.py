"""Istio's rules for a Telemetry, and what of it nobody here tells or counts."""

from __future__ import annotations

from collections.abc import Iterator

from labkit.embedded.mesh.validation import policy_targets
from labkit.embedded.mesh.validation.common import Given
from labkit.embedded.mesh.validation.report import Report
from labkit.embedded.objects import Obj


def check(obj: Obj, report: Report) -> None:
    spec = obj.get("spec") or {}
    policy_targets.check(spec, report)
    for number, each in enumerate(spec.get("metrics") or []):
        report.errors_from(_tags(each or {}))
        _uncounted(f"spec.metrics[{number}]", each or {}, report)
    tracing = spec.get("tracing") or []
    if len(tracing) > 1:
        report.warning("multiple tracing is not currently supported")
    for each in tracing:
        if len((each or {}).get("providers") or []) > 1:
            report.warning("multiple providers is not currently supported")


def _tags(metrics: Given) -> Iterator[str]:
    for override in metrics.get("overrides") or []:
        for tag in ((override or {}).get("tagOverrides") or {}).values():
            removed, value = (tag or {}).get("operation") == "REMOVE", (tag or {}).get("value")
            if removed and value:
                yield "tagOverrides.value may only be set when operation is UPSERT"
            if not removed and not value:
                yield "tagOverrides.value must be set when operation is UPSERT"


def _uncounted(where: str, metrics: Given, report: Report) -> None:
    if metrics.get("reportingInterval"):
        report.ineffective(f"{where}.reportingInterval", "TCP's bytes are counted when a connection ends")
    for override in metrics.get("overrides") or []:
        match = (override or {}).get("match") or {}
        metric = str(match.get("metric") or "")
        if metric.startswith("GRPC_"):
            report.ineffective(f"{where}.overrides", f"{metric}: gRPC messages are not counted here")
        if match.get("customMetric"):
            report.ineffective(f"{where}.overrides", "this cluster counts no custom metrics")
