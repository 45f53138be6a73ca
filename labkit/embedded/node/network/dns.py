"""The cluster's DNS, as a pure question about Services.

:func:`resolve` answers what CoreDNS would for a pod's ``/etc/resolv.conf`` (search path
``NS.svc.cluster.local svc.cluster.local cluster.local``). It reads Services and EndpointSlices at the moment
it is asked, so it can't be stale.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from labkit.embedded import outside
from labkit.embedded.interfaces import Client
from labkit.embedded.objects import Obj, name_of, namespace_of

CLUSTER_DOMAIN = "cluster.local"
SLICES = "endpointslices.discovery.k8s.io"
SERVICE_NAME = "kubernetes.io/service-name"
LONGEST_ALIAS_CHAIN = 8


@dataclass(frozen=True)
class AskHost:
    """The cluster has no say on this name: the host's resolver may know it."""

    name: str


def resolve(client: Client, namespace: str, pod: str, name: str) -> list[str] | AskHost:
    """The addresses of *name* for that pod; an empty list where the name does not exist."""
    name = name.rstrip(".").lower()
    for _ in range(LONGEST_ALIAS_CHAIN):
        if addresses := _hosts_file(client.find("pods", pod, namespace), name):
            return addresses
        service = _service(client, namespace, name)
        if service is None:
            if addresses := _host_of_service(client, namespace, name):
                return addresses
            played = outside.address_of(client.list("pods", outside.NAMESPACE), name)
            return [played] if played else [] if _is_ours(name) else AskHost(name)
        alias = service.get("spec", {}).get("externalName")
        if not alias:
            return _addresses(client, service)
        name = str(alias).rstrip(".").lower()
    return []


def _hosts_file(pod: Obj | None, name: str) -> list[str]:
    """What the pod's ``/etc/hosts`` says: its own name and its ``hostAliases``."""
    if pod is None:
        return []
    own = [pod.get("status", {}).get("podIP")] if name == name_of(pod) else []
    aliases = pod.get("spec", {}).get("hostAliases") or []
    return [str(ip) for ip in own if ip] + [
        str(alias["ip"])
        for alias in aliases
        if name in [str(host).lower() for host in alias.get("hostnames") or []]
    ]


def _is_ours(name: str) -> bool:
    return "." not in name or name.endswith((f".{CLUSTER_DOMAIN}", ".svc"))


def _service(client: Client, namespace: str, name: str) -> Obj | None:
    """The Service that *name* means in *namespace*: ``s``, ``s.n``, ``s.n.svc`` or in full."""
    labels = name.removesuffix(f".{CLUSTER_DOMAIN}").split(".")
    match labels:
        case [service] if labels[0] == name:
            return client.find("services", service, namespace)
        case [service, where] if not name.endswith(f".{CLUSTER_DOMAIN}"):
            return client.find("services", service, where)
        case [service, where, "svc"]:
            return client.find("services", service, where)
    return None


def _host_of_service(client: Client, namespace: str, name: str) -> list[str]:
    """The pod that *name* means: one of a headless Service, by its hostname before the Service's name."""
    host, _, rest = name.partition(".")
    match rest.removesuffix(f".{CLUSTER_DOMAIN}").split("."):
        case [name_of_service] if name_of_service == rest:
            service = client.find("services", name_of_service, namespace)
        case [name_of_service, where, *domain] if domain in ([], ["svc"]):
            service = client.find("services", name_of_service, where)
        case _:
            service = None
    if service is None or service.get("spec", {}).get("clusterIP") != "None":
        return []
    return [address for found, address in _entries(client, service) if found == host]


def _addresses(client: Client, service: Obj) -> list[str]:
    spec = service.get("spec", {})
    if spec.get("clusterIP") and spec["clusterIP"] != "None":
        return [str(spec["clusterIP"])]
    found = {address for _, address in _entries(client, service)}
    return random.sample(sorted(found), len(found))


def _entries(client: Client, service: Obj) -> Iterator[tuple[str, str]]:
    """The hostname, where there is one, and the address of whoever is to be found behind *service*."""
    everyone = service.get("spec", {}).get("publishNotReadyAddresses")
    for slice_ in slices_of(client, service):
        for entry in slice_.get("endpoints") or []:
            if everyone or is_ready(entry):
                yield from ((entry.get("hostname") or "", str(each)) for each in entry.get("addresses") or [])


def slices_of(client: Client, service: Obj) -> list[Obj]:
    """The EndpointSlices of *service*."""
    return client.list(SLICES, namespace_of(service), labels={SERVICE_NAME: name_of(service)})


def is_ready(entry: Obj) -> bool:
    """Whether an endpoint may be sent anything."""
    return (entry.get("conditions") or {}).get("ready") is not False
