"""Services."""

from __future__ import annotations

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, Row, format_labels, wide
from labkit.embedded.api.kinds.common.fill import fill, items
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.kinds.services.allocation import prepare_service
from labkit.embedded.api.kinds.services.validation import service
from labkit.embedded.api.types.resources import PROXY_VERBS, ResourceType, Subresource, status_of
from labkit.embedded.objects import Obj
from labkit.embedded.store import Store


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, sessionAffinity="None", type="ClusterIP")
    if spec["sessionAffinity"] == "ClientIP":
        spec.setdefault("sessionAffinityConfig", {"clientIP": {"timeoutSeconds": 10800}})
    else:
        spec.pop("sessionAffinityConfig", None)
    for port in items(spec, "ports"):
        fill(port, protocol="TCP")
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port", 0)
    kind = spec["type"]
    if kind in ("NodePort", "LoadBalancer") or spec.get("externalIPs"):
        fill(spec, externalTrafficPolicy="Cluster")
    if kind in ("ClusterIP", "NodePort", "LoadBalancer"):
        fill(spec, internalTrafficPolicy="Cluster")
    if kind == "LoadBalancer":
        fill(spec, allocateLoadBalancerNodePorts=True)
        for ingress in items(obj.get("status", {}).get("loadBalancer") or {}, "ingress"):
            if ingress.get("ip"):
                fill(ingress, ipMode="VIP")


def _prepare_create(store: Store, service: Obj) -> None:
    prepare_service(store, service, None)
    service["status"] = {"loadBalancer": {}}


def _cluster_ip(row: Row) -> str:
    found: list[str] = row.spec.get("clusterIPs") or [row.spec.get("clusterIP") or "<none>"]
    return found[0]


def _external_ip(obj: Obj) -> str:
    spec, kind = obj.get("spec", {}), obj.get("spec", {}).get("type")
    if kind == "ExternalName":
        return str(spec.get("externalName", ""))
    ingress = obj.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    balanced = sorted({each.get("ip") or each.get("hostname") or "" for each in ingress} - {""})
    addresses = (balanced if kind == "LoadBalancer" else []) + (spec.get("externalIPs") or [])
    return ",".join(addresses) or ("<pending>" if kind == "LoadBalancer" else "<none>")


def _ports(row: Row) -> str:
    return ",".join(_port(port) for port in row.spec.get("ports") or []) or "<none>"


def _port(port: Obj) -> str:
    number = str(port.get("port", 0)) + (f":{port['nodePort']}" if port.get("nodePort") else "")
    return f"{number}/{port.get('protocol', 'TCP')}"


SERVICE = Kind(
    ResourceType(
        "",
        ("v1",),
        "Service",
        "services",
        "service",
        short_names=("svc",),
        categories=("all",),
        subresources=(Subresource("proxy", "ServiceProxyOptions", PROXY_VERBS), status_of("Service")),
    ),
    columns=(
        NAME,
        Column("Type", lambda row: row.spec.get("type", "")),
        Column("Cluster-IP", _cluster_ip),
        Column("External-IP", lambda row: _external_ip(row.obj)),
        Column("Port(s)", _ports),
        AGE,
        wide("Selector", lambda row: format_labels(row.spec.get("selector"))),
    ),
    default=_default,
    zero={"spec": {}, "status": {"loadBalancer": {}}},
    prepare_create=_prepare_create,
    prepare_update=prepare_service,
    validate=service,
    name_problems=names.dns_1035_label,
    fields=("spec.clusterIP", "spec.type"),
    has_generation=False,
    shown_when_deleted=True,
)
