"""IngressClasses: which controller makes what of an Ingress."""

from __future__ import annotations

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, Row
from labkit.embedded.api.kinds.common.fill import fill
from labkit.embedded.api.kinds.common.references import typed_reference
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj

_MOST = 250
_SCOPES = ("Cluster", "Namespace")


def _default(obj: Obj) -> None:
    parameters = (obj.get("spec") or {}).get("parameters")
    if parameters is not None:
        fill(parameters, scope="Cluster")


def _validate(causes: Causes, obj: Obj, old: Obj | None) -> None:
    spec = obj.get("spec") or {}
    controller = spec.get("controller") or ""
    if old is not None:
        causes.immutable("spec.controller", controller, (old.get("spec") or {}).get("controller") or "")
    if len(controller) > _MOST:
        causes.too_long("spec.controller", _MOST)
    _controller(causes, controller)
    if spec.get("parameters") is not None:
        _parameters(causes, "spec.parameters", spec["parameters"])


def _controller(causes: Causes, controller: str) -> None:
    domain, _, path = controller.partition("/")
    if not controller:
        causes.required("spec.controller")
    elif not domain or not path:
        detail = 'must be a domain-prefixed path (such as "acme.io/foo")'
        causes.invalid("spec.controller", controller, detail)
    else:
        causes.invalid_each("spec.controller", domain, names.dns_subdomain(domain))
        causes.invalid_each("spec.controller", path, names.http_path(path))


def _parameters(causes: Causes, at: str, parameters: Obj) -> None:
    typed_reference(causes, at, parameters)
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    if scope not in _SCOPES:
        causes.unsupported(f"{at}.scope", scope, _SCOPES)
    elif scope == "Cluster" and namespace is not None:
        causes.forbidden(f"{at}.namespace", "`parameters.scope` is set to 'Cluster'")
    elif scope == "Namespace" and namespace is None:
        causes.required(f"{at}.namespace", "`parameters.scope` is set to 'Namespace'")
    elif scope == "Namespace":
        causes.invalid_each(f"{at}.namespace", namespace, names.dns_label(str(namespace)))


def _parameters_cell(row: Row) -> str:
    parameters = row.spec.get("parameters")
    if not parameters:
        return "<none>"
    group = f".{parameters['apiGroup']}" if parameters.get("apiGroup") is not None else ""
    return f"{parameters.get('kind', '')}{group}/{parameters.get('name', '')}"


INGRESS_CLASS = Kind(
    ResourceType(
        "networking.k8s.io", ("v1",), "IngressClass", "ingressclasses", "ingressclass", namespaced=False
    ),
    columns=(
        NAME,
        Column("Controller", lambda row: row.spec.get("controller", "")),
        Column("Parameters", _parameters_cell),
        AGE,
    ),
    default=_default,
    zero={"spec": {}},
    validate=_validate,
)
