"""What is wrong with a Service."""

from __future__ import annotations

from typing import Any

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.addresses import check_address
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.meta import labels
from labkit.embedded.api.kinds.pods.validation import PROTOCOLS
from labkit.embedded.objects import Obj

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_AFFINITIES = ("ClientIP", "None")
_POLICIES = ("Cluster", "Local")


def service(causes: Causes, obj: Obj, old: Obj | None) -> None:
    spec = obj.get("spec") or {}
    kind, ports = spec.get("type"), spec.get("ports") or []
    headless = spec.get("clusterIP") == "None"
    if not ports and not headless and kind != "ExternalName":
        causes.required("spec.ports")
    _type_rules(causes, spec)
    _ports(causes, ports, exposed=kind in ("NodePort", "LoadBalancer"))
    labels(causes, "spec.selector", spec.get("selector"))
    causes.one_of("spec.sessionAffinity", spec.get("sessionAffinity"), _AFFINITIES)
    causes.one_of("spec.type", kind, _TYPES)
    for key in ("internalTrafficPolicy", "externalTrafficPolicy"):
        if spec.get(key):
            causes.one_of(f"spec.{key}", spec[key], _POLICIES)
    for index, address in enumerate(spec.get("externalIPs") or ()):
        check_address(causes, f"spec.externalIPs[{index}]", address)
    if old is not None:
        _cluster_ip_stays(causes, spec, old.get("spec") or {})


def _type_rules(causes: Causes, spec: Obj) -> None:
    kind = spec.get("type")
    if kind == "LoadBalancer" and spec.get("clusterIP") == "None":
        causes.invalid("spec.clusterIPs[0]", "None", "may not be set to 'None' for LoadBalancer services")
    if kind == "NodePort" and spec.get("clusterIP") == "None":
        causes.invalid("spec.clusterIPs[0]", "None", "may not be set to 'None' for NodePort services")
    if kind != "ExternalName":
        return
    name = (spec.get("externalName") or "").removesuffix(".")
    if name:
        causes.invalid_each("spec.externalName", name, names.dns_subdomain(name))
    else:
        causes.required("spec.externalName")
    if spec.get("clusterIP") or spec.get("clusterIPs"):
        causes.forbidden("spec.clusterIPs", "may not be set when `type` is ExternalName")


def _ports(causes: Causes, ports: list[Obj], *, exposed: bool) -> None:
    seen_names: set[str] = set()
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        at = f"spec.ports[{index}]"
        _port(causes, at, port, name_needed=len(ports) > 1, seen=seen_names)
        if port.get("nodePort") and not exposed:
            causes.forbidden(f"{at}.nodePort", "may not be used when `type` is 'ClusterIP'")
        key = (port.get("protocol", ""), port.get("port", 0))
        if key in seen:
            causes.duplicate(at, {"protocol": key[0], "port": key[1]})
        seen.add(key)


def _port(causes: Causes, at: str, port: Obj, *, name_needed: bool, seen: set[str]) -> None:
    name, number = port.get("name", ""), port.get("port", 0)
    if name_needed and not name:
        causes.required(f"{at}.name")
    elif name:
        causes.invalid_each(f"{at}.name", name, names.dns_label(name))
        if name in seen:
            causes.duplicate(f"{at}.name", name)
        seen.add(name)
    causes.invalid_each(f"{at}.port", number, names.port_number(number))
    causes.one_of(f"{at}.protocol", port.get("protocol"), PROTOCOLS)
    target: Any = port.get("targetPort", number)
    causes.invalid_each(f"{at}.targetPort", target, names.port(target))
    if port.get("appProtocol"):
        wrong = names.qualified_name(port["appProtocol"])
        causes.invalid_each(f"{at}.appProtocol", port["appProtocol"], wrong)


def _cluster_ip_stays(causes: Causes, spec: Obj, old: Obj) -> None:
    if "ExternalName" in (spec.get("type"), old.get("type")):
        return
    before, after = old.get("clusterIP"), spec.get("clusterIP")
    if before and after != before:
        causes.invalid("spec.clusterIPs[0]", spec.get("clusterIPs") or [after], "may not change once set")
