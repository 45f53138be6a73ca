"""Ingresses: which host and path of the gateway leads to which Service."""

from __future__ import annotations

import ipaddress
from typing import Any

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, Row
from labkit.embedded.api.kinds.common.references import typed_reference
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType, status_of
from labkit.embedded.objects import Obj, annotations_of

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_PARTS = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDS = ("/..", "/.")
_SHOWN = 3
_NO_IP = "must be a DNS name, not an IP address"


def _prepare_create(_store: object, ingress: Obj) -> None:
    ingress["status"] = {"loadBalancer": {}}


def _validate(causes: Causes, obj: Obj, old: Obj | None) -> None:
    spec = obj.get("spec") or {}
    if not spec.get("rules") and spec.get("defaultBackend") is None:
        causes.invalid("spec", None, "either `defaultBackend` or `rules` must be specified")
    if spec.get("defaultBackend") is not None:
        _backend(causes, "spec.defaultBackend", spec["defaultBackend"])
    for index, rule in enumerate(spec.get("rules") or ()):
        _rule(causes, f"spec.rules[{index}]", rule)
    for index, tls in enumerate(spec.get("tls") or ()):
        _tls(causes, f"spec.tls[{index}]", tls)
    name = spec.get("ingressClassName")
    if name is not None:
        causes.invalid_each("spec.ingressClassName", name, names.dns_subdomain(name))
    if old is None:
        _one_class(causes, obj, name)


def _one_class(causes: Causes, obj: Obj, name: str | None) -> None:
    annotated = annotations_of(obj).get(CLASS_ANNOTATION)
    if None not in (annotated, name) and annotated != name:
        detail = "must match `ingressClassName` when both are specified"
        causes.invalid(f"annotations.{CLASS_ANNOTATION}", annotated, detail)


def _tls(causes: Causes, at: str, tls: Obj) -> None:
    for index, host in enumerate(tls.get("hosts") or ()):
        causes.invalid_each(f"{at}.hosts[{index}]", host, _host_problems(host))
    name = tls.get("secretName")
    if name:
        causes.invalid_each(f"{at}.secretName", name, names.dns_subdomain(name))


def _host_problems(host: str) -> list[str]:
    return names.wildcard_subdomain(host) if "*" in host else names.dns_subdomain(host)


def _rule(causes: Causes, at: str, rule: Obj) -> None:
    host = rule.get("host")
    if host:
        causes.invalid_each(f"{at}.host", host, [_NO_IP] if _is_address(host) else [])
        causes.invalid_each(f"{at}.host", host, _host_problems(host))
    if rule.get("http") is None:
        return
    paths = rule["http"].get("paths") or []
    if not paths:
        causes.required(f"{at}.http.paths")
    for index, path in enumerate(paths):
        _path(causes, f"{at}.http.paths[{index}]", path)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _path(causes: Causes, at: str, path: Obj) -> None:
    kind, text = path.get("pathType"), path.get("path") or ""
    if kind is None:
        causes.required(f"{at}.pathType", "pathType must be specified")
        return
    if kind not in _PATH_TYPES:
        causes.unsupported(f"{at}.pathType", kind, _PATH_TYPES)
    elif (text or kind != "ImplementationSpecific") and not text.startswith("/"):
        causes.invalid(f"{at}.path", text, "must be an absolute path")
    if kind in ("Exact", "Prefix"):
        causes.invalid_each(f"{at}.path", text, _path_problems(text))
    _backend(causes, f"{at}.backend", path.get("backend") or {})


def _path_problems(path: str) -> list[str]:
    found = [f"must not contain '{each}'" for each in _BAD_PARTS if each in path]
    return found + [f"cannot end with '{each}'" for each in _BAD_ENDS if path.endswith(each)]


def _backend(causes: Causes, at: str, backend: Obj) -> None:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        causes.invalid(at, "", "cannot set both resource and service backends")
    elif resource is not None:
        typed_reference(causes, f"{at}.resource", resource)
    elif service is not None:
        _service(causes, at, service)
    else:
        causes.invalid(at, "", "resource or service backend is required")


def _service(causes: Causes, at: str, service: Obj) -> None:
    name, port = service.get("name"), service.get("port") or {}
    if name:
        causes.invalid_each(f"{at}.service.name", name, names.dns_1035_label(name))
    else:
        causes.required(f"{at}.service.name")
    number, named = port.get("number") or 0, port.get("name") or ""
    if number and named:
        causes.invalid(at, "", "cannot set both port name & port number")
    elif named:
        causes.invalid_each(f"{at}.service.port.name", named, names.port_name(named))
    elif number:
        causes.invalid_each(f"{at}.service.port.number", number, names.port_number(number))
    else:
        causes.required(at, "port name or number is required")


def _hosts(row: Row) -> str:
    """As the printers have it: only the first three rules are looked at, with a host or not."""
    rules: list[Any] = row.spec.get("rules") or []
    shown: list[str] = []
    for rule in rules:
        if len(shown) == _SHOWN:
            return f"{','.join(shown)} + {len(rules) - _SHOWN} more..."
        shown += [rule["host"]] if rule.get("host") else []
    return ",".join(shown) or "*"


def _addresses(row: Row) -> str:
    found = (row.status.get("loadBalancer") or {}).get("ingress") or []
    return ",".join(sorted({each.get("ip") or each.get("hostname") or "" for each in found} - {""}))


INGRESS = Kind(
    ResourceType(
        "networking.k8s.io",
        ("v1",),
        "Ingress",
        "ingresses",
        "ingress",
        short_names=("ing",),
        subresources=(status_of("Ingress"),),
    ),
    columns=(
        NAME,
        Column("Class", lambda row: row.spec.get("ingressClassName", "<none>")),
        Column("Hosts", _hosts),
        Column("Address", _addresses),
        Column("Ports", lambda row: "80, 443" if row.spec.get("tls") else "80"),
        AGE,
    ),
    zero={"spec": {}, "status": {"loadBalancer": {}}},
    prepare_create=_prepare_create,
    validate=_validate,
)
