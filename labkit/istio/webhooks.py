"""The webhook configurations of an Istio installation, with the names and selectors of its charts.

istiod completes them (the certificate to trust) when it runs. Who reads them are people and istioctl.
"""

from __future__ import annotations

from typing import Any

from labkit.istio.profiles import NAMESPACE, VERSION
from labkit.kube.api.api import Obj

_NAMESPACED, _REVISION, _WISH = "istio-injection", "istio.io/rev", "sidecar.istio.io/inject"
_LABELS = {
    "app": "istiod",
    "app.kubernetes.io/name": "istiod",
    "install.operator.istio.io/owning-resource": "unknown",
    "operator.istio.io/component": "Pilot",
    "operator.istio.io/managed": "Reconcile",
    "operator.istio.io/version": VERSION,
    "istio.io/rev": "default",
    "release": "istio",
}
_GROUPS = ("security.istio.io", "networking.istio.io", "telemetry.istio.io", "extensions.istio.io")


def configurations() -> list[Obj]:
    """The injector, and the two validators."""
    hooks = [_injector(way, *selectors) for way, selectors in _SELECTORS.items()]
    mutating = _object("Mutating", "istio-sidecar-injector", {"app": "sidecar-injector"}, hooks)
    chosen = {"objectSelector": {"matchExpressions": [_in(_REVISION, "default")]}}
    validators = [
        _object("Validating", name, {"istio": "istiod"}, [_validator(hook) | more])
        for name, hook, more in (
            (f"istio-validator-{NAMESPACE}", "rev.validation.istio.io", chosen),
            ("istiod-default-validator", "validation.istio.io", {}),
        )
    ]
    return [mutating, *validators]


def _object(kind: str, name: str, labels: dict[str, str], hooks: list[Obj]) -> Obj:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": name, "labels": {**_LABELS, **labels}},
        "webhooks": hooks,
    }


def _in(key: str, *values: str, operator: str = "In") -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


def _absent(key: str) -> dict[str, Any]:
    return {"key": key, "operator": "DoesNotExist"}


_NOT_UNWANTED = _in(_WISH, "false", operator="NotIn")
_SELECTORS = {
    "rev.namespace": ([_in(_REVISION, "default"), _absent(_NAMESPACED)], [_NOT_UNWANTED]),
    "rev.object": ([_absent(_REVISION), _absent(_NAMESPACED)], [_NOT_UNWANTED, _in(_REVISION, "default")]),
    "namespace": ([_in(_NAMESPACED, "enabled")], [_NOT_UNWANTED]),
    "object": ([_absent(_NAMESPACED), _absent(_REVISION)], [_in(_WISH, "true"), _absent(_REVISION)]),
}
"""Of each way of asking for a proxy: what the namespace and the pod are selected by."""


def _injector(way: str, namespaces: list[Obj], pods: list[Obj]) -> Obj:
    rule = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
    return {
        "name": f"{way}.sidecar-injector.istio.io",
        "clientConfig": {"service": _service("/inject")},
        "sideEffects": "None",
        "rules": [rule],
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "admissionReviewVersions": ["v1"],
        "namespaceSelector": {"matchExpressions": namespaces},
        "objectSelector": {"matchExpressions": pods},
    }


def _validator(name: str) -> Obj:
    rule = {
        "operations": ["CREATE", "UPDATE"],
        "apiGroups": list(_GROUPS),
        "apiVersions": ["*"],
        "resources": ["*"],
    }
    return {
        "name": name,
        "clientConfig": {"service": _service("/validate")},
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }


def _service(path: str) -> Obj:
    return {"name": "istiod", "namespace": NAMESPACE, "path": path, "port": 443}
