"""Istio's rules for an EnvoyFilter, and which of its patches are without effect here."""

from __future__ import annotations

from collections.abc import Iterator

from labkit.embedded.mesh.envoy_filters import MANAGER, not_done
from labkit.embedded.mesh.validation import common
from labkit.embedded.mesh.validation.common import Given
from labkit.embedded.mesh.validation.report import Report
from labkit.embedded.objects import Obj

_OF_LISTENERS = ("LISTENER", "FILTER_CHAIN", "NETWORK_FILTER", "HTTP_FILTER")


def check(obj: Obj, report: Report) -> None:
    spec = obj.get("spec") or {}
    selector = spec.get("workloadSelector")
    report.errors_from(common.workload_selector(selector, "labels"))
    if selector is not None and not selector.get("labels"):
        report.warning(
            "Envoy filter: workload selector specified without labels, "
            "will be applied to all services in namespace"
        )
    if spec.get("targetRefs"):
        report.ineffective("spec.targetRefs", "is not looked at yet; this filter has no effect")
    for number, patch in enumerate(spec.get("configPatches") or []):
        errors = [f"Envoy filter: {error}" for error in _errors(patch or {})]
        report.errors_from(errors)
        if not errors:
            for field, words in not_done(patch):
                report.ineffective(f"spec.configPatches[{number}].{field}", words)


def _errors(entry: Given) -> Iterator[str]:
    change = entry.get("patch")
    operation = str((change or {}).get("operation") or "INVALID")
    if str(entry.get("applyTo") or "INVALID") == "INVALID":
        yield "missing applyTo"
    elif change is None:
        yield "missing patch"
    elif operation == "INVALID":
        yield "missing patch operation"
    elif operation != "REMOVE" and change.get("value") is None:
        yield "missing patch value for non-remove operation"
    else:
        yield from _of_match(str(entry["applyTo"]), entry.get("match") or {})


def _of_match(applies_to: str, match: Given) -> Iterator[str]:
    if applies_to not in _OF_LISTENERS:
        return
    if match.get("listener") is None and (match.keys() & {"routeConfiguration", "cluster"}):
        yield "applyTo for listener class objects cannot have non listener match"
        return
    wanted = ((match.get("listener") or {}).get("filterChain") or {}).get("filter")
    if wanted is not None:
        yield from _of_filter(applies_to, wanted)


def _of_filter(applies_to: str, wanted: Given) -> Iterator[str]:
    if not wanted.get("name"):
        yield "filter match has no name to match on"
        return
    within = wanted.get("subFilter")
    if within is None:
        return
    if applies_to != "HTTP_FILTER":
        yield "subfilter match can be used with applyTo HTTP_FILTER only"
    elif wanted["name"] not in (MANAGER, "envoy.http_connection_manager"):
        yield f"subfilter match requires filter match with {MANAGER}"
    elif not within.get("name"):
        yield "subfilter match has no name to match on"
