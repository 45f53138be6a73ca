"""Kubernetes Services and their EndpointSlices as services of the registry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from labkit.embedded.mesh import localities
from labkit.embedded.mesh.configs import created_at
from labkit.embedded.mesh.hosts import service_host
from labkit.embedded.mesh.identity.spiffe import account_of
from labkit.embedded.mesh.selected_workloads import Selected
from labkit.embedded.mesh.services import Endpoint, Resolution, Service, ServicePort, kubernetes_protocol
from labkit.embedded.mesh.workloads import Workload
from labkit.embedded.objects import Obj, annotations_of, labels_of, name_of, namespace_of

EXPORT_TO = "networking.istio.io/exportTo"
SERVICE_NAME = "kubernetes.io/service-name"
TRAFFIC_DISTRIBUTION = "networking.istio.io/traffic-distribution"
HEADLESS = "None"

Pods = Mapping[tuple[str, str], Obj]
Endpoints = Mapping[str, tuple[Endpoint, ...]]


def kubernetes_services(
    services: Iterable[Obj],
    slices: Iterable[Obj],
    pods: Pods,
    default_export_to: Iterable[str],
    nodes: localities.Nodes = MappingProxyType({}),
) -> list[Service]:
    """The registry's part that Kubernetes holds. ExternalName Services become aliases of their target."""
    by_service = _by_service(slices)
    found: dict[str, Service] = {}
    aliases: dict[str, list[str]] = defaultdict(list)
    for obj in services:
        host = service_host(name_of(obj), namespace_of(obj))
        if _spec(obj).get("type") == "ExternalName":
            aliases[str(_spec(obj).get("externalName", "")).lower()].append(host)
        else:
            endpoints = _endpoints(by_service[namespace_of(obj), name_of(obj)], pods, nodes)
            found[host] = _service(obj, host, endpoints, default_export_to)
    for target, hosts in aliases.items():
        if target in found:
            found[target] = replace(found[target], aliases=tuple(sorted(hosts)))
    return list(found.values())


def with_workloads(service: Service, chosen: Iterable[Selected]) -> Service:
    """*service* with WorkloadEntries among its endpoints: those that its selector fits."""
    if service.resolution != "CLUSTER_IP":
        return service
    more = [each for each in chosen if not each.is_named]
    endpoints = {
        port.name: (*service.endpoints_of(port), *(one for each in more for one in _at_port(each, port)))
        for port in service.ports
    }
    return replace(service, endpoints=endpoints)


def _at_port(chosen: Selected, port: ServicePort) -> Iterator[Endpoint]:
    """*chosen* with its number for *port*; where the target has a name, only if it knows that."""
    if isinstance(port.target, int):
        yield replace(chosen.endpoint, port=chosen.ports.get(port.name) or port.target)
    elif chosen.ports.get(port.target):
        yield replace(chosen.endpoint, port=chosen.ports[port.target])


def _spec(obj: Obj) -> Obj:
    return obj.get("spec") or {}


def _service(obj: Obj, host: str, endpoints: Endpoints, default_export_to: Iterable[str]) -> Service:
    addresses = _spec(obj).get("clusterIPs") or [_spec(obj).get("clusterIP") or ""]
    resolution: Resolution = "HEADLESS" if HEADLESS in addresses else "CLUSTER_IP"
    return Service(
        host=host,
        name=name_of(obj),
        namespace=namespace_of(obj),
        created=created_at(obj),
        resolution=resolution,
        ports=tuple(map(_port, _spec(obj).get("ports") or [])),
        addresses=tuple(each for each in addresses if each and each != HEADLESS),
        export_to=_export_to(obj, default_export_to),
        traffic_distribution=_distribution(obj),
        endpoints=endpoints,
    )


def _export_to(obj: Obj, default: Iterable[str]) -> frozenset[str]:
    text = annotations_of(obj).get(EXPORT_TO, "")
    names = [name.strip() for name in text.split(",") if name.strip()]
    return frozenset(names or default)


def _distribution(obj: Obj) -> str:
    given = annotations_of(obj).get(TRAFFIC_DISTRIBUTION) or str(_spec(obj).get("trafficDistribution") or "")
    return "PreferSameZone" if given == "PreferClose" else given


def _port(port: Obj) -> ServicePort:
    number, name = int(port["port"]), str(port.get("name") or "")
    transport, declared = str(port.get("protocol") or "TCP"), str(port.get("appProtocol") or "")
    protocol = kubernetes_protocol(number, name, transport, declared)
    return ServicePort(name, number, protocol, port.get("targetPort") or number)


def _by_service(slices: Iterable[Obj]) -> Mapping[tuple[str, str], list[Obj]]:
    grouped: dict[tuple[str, str], list[Obj]] = defaultdict(list)
    for each in slices:
        if each.get("addressType") == "FQDN":
            continue  # istiod passes over them, and no endpoint of Envoy's can hold a name
        grouped[namespace_of(each), labels_of(each).get(SERVICE_NAME, "")].append(each)
    return grouped


def _endpoints(slices: Iterable[Obj], pods: Pods, nodes: localities.Nodes) -> Endpoints:
    by_port: dict[str, dict[tuple[str, int], Endpoint]] = defaultdict(dict)
    for each in slices:
        for port in each.get("ports") or []:
            for endpoint in _ready(each, int(port.get("port") or 0), pods, nodes):
                by_port[str(port.get("name") or "")][endpoint.address, endpoint.port] = endpoint
    return {name: tuple(found[key] for key in sorted(found)) for name, found in by_port.items()}


def _ready(endpoint_slice: Obj, port: int, pods: Pods, nodes: localities.Nodes) -> Iterator[Endpoint]:
    """Endpoints that take traffic: Istio up to 1.30 leaves out whatever is not ready."""
    for each in endpoint_slice.get("endpoints") or []:
        conditions = each.get("conditions") or {}
        if conditions.get("ready", True) is False or conditions.get("terminating"):
            continue
        workload = str((each.get("targetRef") or {}).get("name") or "")
        pod = pods.get((namespace_of(endpoint_slice), workload))
        for address in each.get("addresses") or []:
            yield _endpoint(str(address), port, workload, pod, nodes)


def _endpoint(address: str, port: int, workload: str, pod: Obj | None, nodes: localities.Nodes) -> Endpoint:
    if pod is None:
        return Endpoint(address, port, workload=workload)
    return Endpoint(
        address,
        port,
        labels_of(pod),
        locality=localities.of_pod(pod, nodes),
        node=localities.node_of(pod),
        workload=workload,
        namespace=namespace_of(pod),
        account=account_of(pod),
        told=Workload.of(pod),
    )
