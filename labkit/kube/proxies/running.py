"""What runs in the mesh, as the API tells it: pods with their proxies, Services, Istio's rules.

Pods are told apart by their address, as access logs name them. Pods that share their node's address,
and those of the node's own machinery (a load balancer of k3s is a pod, too), are nobody a request
comes from: they pass on what others sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

from labkit.errors import ApiRefused
from labkit.kube.api.api import Api, Obj
from labkit.kube.api.listing import items_in
from labkit.kube.api.resources import GATEWAYS, NAMESPACES, PODS, SERVICES, VIRTUAL_SERVICES, Resource
from labkit.kube.proxies.proxies import CONTAINER

_MACHINERY = "kube-system"
_HASH = "pod-template-hash"


@dataclass(frozen=True)
class Pod:
    """One pod, as far as a picture of the mesh needs it."""

    namespace: str
    name: str
    ip: str
    """Empty while it has none, or shares its node's."""
    workload: str
    """The Deployment, StatefulSet, … it belongs to; its own name where it belongs to none."""
    labels: Mapping[str, str]
    container: str
    """The first container that is no proxy; empty in a gateway."""
    has_proxy: bool
    is_gateway: bool
    trouble: str
    """Why it is not ready, in a word or two; empty where it is."""

    @property
    def key(self) -> str:
        """``namespace/workload``."""
        return f"{self.namespace}/{self.workload}"

    @property
    def lets_in(self) -> bool:
        """Whether it is a gateway through which requests enter: any but an egress gateway."""
        names = (self.labels.get("istio", ""), self.labels.get("app", ""))
        return self.is_gateway and not any("egress" in name for name in names)


@dataclass(frozen=True)
class Service:
    """One Service: which pods stand behind it."""

    namespace: str
    name: str
    cluster_ip: str
    ports: tuple[int, ...]
    selector: Mapping[str, str]

    def selects(self, pod: Pod) -> bool:
        """Whether *pod* stands behind it."""
        ours = self.namespace == pod.namespace and bool(self.selector)
        return ours and self.selector.items() <= pod.labels.items()


@dataclass(frozen=True)
class Rule:
    """A Gateway or VirtualService: its name, and whom it is for."""

    kind: str
    namespace: str
    name: str
    selector: Mapping[str, str] = field(default_factory=dict)
    """Of a Gateway: labels of the proxies it opens a port of."""


@dataclass(frozen=True)
class Running:
    """All of it, at one moment."""

    pods: tuple[Pod, ...] = ()
    services: tuple[Service, ...] = ()
    rules: tuple[Rule, ...] = ()
    namespaces: tuple[str, ...] = ()
    """Those that take part in the mesh: their pods get a proxy."""

    @cached_property
    def by_name(self) -> dict[str, Pod]:
        """Pod name → pod: access logs are known by it."""
        return {pod.name: pod for pod in self.pods}

    @cached_property
    def by_ip(self) -> dict[str, Pod]:
        """Address → pod."""
        return {pod.ip: pod for pod in self.pods if pod.ip}

    @cached_property
    def by_host(self) -> dict[str, Service]:
        """Cluster-wide name (``catalogue.bookshop``) and cluster IP → Service."""
        names = {f"{service.name}.{service.namespace}": service for service in self.services}
        return names | {service.cluster_ip: service for service in self.services if service.cluster_ip}

    def behind(self, service: Service) -> Pod | None:
        """Some pod behind *service*."""
        return next((pod for pod in self.pods if service.selects(pod)), None)


def what_runs(api: Api, namespaces: Sequence[str] = ("",)) -> Running:
    """What runs now in *namespaces*, by default in all; pods that are being deleted left out."""
    kinds = (PODS, SERVICES, VIRTUAL_SERVICES, GATEWAYS)
    with ThreadPoolExecutor(max_workers=8) as threads:
        lists = [threads.submit(_everywhere, api, kind, namespaces) for kind in kinds]
        injected = threads.submit(_in_the_mesh, api, namespaces)
        pods, services, virtual_services, gateways = (one.result() for one in lists)
    return Running(
        pods=tuple(sorted(map(pod_of, filter(_counts, pods)), key=lambda pod: (pod.key, pod.name))),
        services=tuple(sorted(map(service_of, services), key=lambda one: (one.namespace, one.name))),
        rules=tuple(_rules(gateways, virtual_services)),
        namespaces=tuple(injected.result()),
    )


def _everywhere(api: Api, kind: Resource, namespaces: Sequence[str]) -> list[Obj]:
    return [obj for namespace in namespaces for obj in _visible(api, kind, namespace)]


def _visible(api: Api, kind: Resource, namespace: str) -> list[Obj]:
    """What may be seen there: in class mode nobody reads the others' rules in Istio's own namespace."""
    try:
        return items_in(api, kind, [namespace])
    except ApiRefused as error:
        if error.code not in (403, 404) or kind is PODS:
            raise
        return []


def _in_the_mesh(api: Api, namespaces: Sequence[str]) -> list[str]:
    """Namespaces with a label that asks for proxies; where reading them is not allowed: those asked for."""
    try:
        found = api.items(NAMESPACES.path())
    except ApiRefused:
        return sorted(filter(None, namespaces))
    return sorted(
        name
        for one in found
        if (name := one["metadata"]["name"]) in namespaces or "" in namespaces
        if _asks_for_proxies(one["metadata"].get("labels") or {})
    )


def _asks_for_proxies(labels: Mapping[str, str]) -> bool:
    return labels.get("istio-injection") == "enabled" or bool(labels.get("istio.io/rev"))


def _counts(pod: Obj) -> bool:
    over = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not pod["metadata"].get("deletionTimestamp") and not over


def pod_of(pod: Obj) -> Pod:
    """The pod in a Pod object."""
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    containers = spec.get("containers") or []
    proxy = [c for c in [*containers, *(spec.get("initContainers") or [])] if c["name"] == CONTAINER]
    others = [c["name"] for c in containers if c["name"] != CONTAINER]
    hidden = spec.get("hostNetwork") or metadata["namespace"] == _MACHINERY
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        ip="" if hidden else status.get("podIP") or "",
        workload=_workload(metadata),
        labels=metadata.get("labels") or {},
        container=others[0] if others else "",
        has_proxy=bool(proxy),
        is_gateway=any("router" in (c.get("args") or []) for c in proxy),
        trouble=_trouble(status),
    )


def _workload(metadata: Obj) -> str:
    """The name of the pod's owner; of a ReplicaSet the Deployment's, whose hash stands behind it."""
    owner = next((one for one in metadata.get("ownerReferences") or [] if one.get("controller")), None)
    name = str(owner["name"] if owner else metadata["name"])
    template = (metadata.get("labels") or {}).get(_HASH, "")
    return name.removesuffix(f"-{template}") if template else name


def _trouble(status: Obj) -> str:
    conditions = {c["type"]: c["status"] for c in status.get("conditions") or []}
    if conditions.get("Ready") == "True":
        return ""
    states = [c.get("state") or {} for c in status.get("containerStatuses") or []]
    reasons = [s["waiting"].get("reason") for s in states if s.get("waiting")]
    reasons += [s["terminated"].get("reason") for s in states if s.get("terminated")]
    return str(next(filter(None, reasons), None) or status.get("phase") or "Unknown")


def service_of(service: Obj) -> Service:
    """The Service in a Service object."""
    metadata, spec = service["metadata"], service["spec"]
    return Service(
        namespace=metadata["namespace"],
        name=metadata["name"],
        cluster_ip=spec.get("clusterIP") or "",
        ports=tuple(port["port"] for port in spec.get("ports") or []),
        selector=spec.get("selector") or {},
    )


def _rules(gateways: Iterable[Obj], virtual_services: Iterable[Obj]) -> Iterator[Rule]:
    for gateway in gateways:
        metadata = gateway["metadata"]
        selector = gateway["spec"].get("selector") or {}
        yield Rule("Gateway", metadata["namespace"], metadata["name"], selector)
    for rule in virtual_services:
        yield Rule("VirtualService", rule["metadata"]["namespace"], rule["metadata"]["name"])
