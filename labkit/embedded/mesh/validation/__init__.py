"""istiod's validating webhook: what it refuses, in its words, and what it warns about.

What Istio's rules let through has then to pass a trial with Envoy's own (:mod:`.trial`).
It runs after the API server's own schema checks. An object that asks for something this cluster does
not do yet is taken, with a warning that names the field and what happens instead: never in silence.
"""

from __future__ import annotations

from collections.abc import Callable

from labkit.embedded.interfaces import AdmissionRequest, Client
from labkit.embedded.mesh import targets
from labkit.embedded.mesh.validation import (
    authorization_policy,
    destination_rule,
    envoy_filter,
    gateway,
    other_kinds,
    request_authentication,
    service_entry,
    sidecar,
    telemetry,
    trial,
    virtual_service,
    workload_entry,
    workload_group,
)
from labkit.embedded.mesh.validation.report import Report
from labkit.embedded.objects import Obj
from labkit.embedded.status import admission_denied

__all__ = ["WEBHOOK", "admission", "without_effect"]

WEBHOOK = "validation.istio.io"

_CHECKS: dict[str, Callable[[Obj, Report], None]] = {
    "gateways.networking.istio.io": gateway.check,
    "virtualservices.networking.istio.io": virtual_service.check,
    "destinationrules.networking.istio.io": destination_rule.check,
    "serviceentries.networking.istio.io": service_entry.check,
    "authorizationpolicies.security.istio.io": authorization_policy.check,
    "requestauthentications.security.istio.io": request_authentication.check,
    "envoyfilters.networking.istio.io": envoy_filter.check,
    "telemetries.telemetry.istio.io": telemetry.check,
    "sidecars.networking.istio.io": sidecar.check,
    "workloadentries.networking.istio.io": workload_entry.check,
    "workloadgroups.networking.istio.io": workload_group.check,
    "proxyconfigs.networking.istio.io": other_kinds.check_proxy_config,
    "peerauthentications.security.istio.io": other_kinds.check_peer_authentication,
    "configmaps": other_kinds.check_config_map,
}


def admission(request: AdmissionRequest, client: Client | None = None) -> list[str]:
    """Warnings about the object; ApiError where istiod would refuse it.

    client: knows what else there is; without one, what the object refers to is not looked for.
    """
    report = _checked(request.resource, request.object)
    if not report.errors:
        report.errors_from(trial.check(request.resource, request.object))
    if report.errors:
        raise admission_denied(WEBHOOK, f"configuration is invalid: {report.text()}")
    missing = targets.missing(request.resource, request.object, client.list) if client else ()
    return [*report.warnings, *missing]


def without_effect(resource: str, obj: Obj) -> list[str]:
    """What of *obj* this cluster keeps and does not act upon: ``field: what happens instead``."""
    return _checked(resource, obj).without_effect


def _checked(resource: str, obj: Obj) -> Report:
    report = Report()
    check = _CHECKS.get(resource)
    if check is not None:
        check(obj, report)
    return report
