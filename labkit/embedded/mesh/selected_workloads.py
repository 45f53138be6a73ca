"""Workloads that Services and ServiceEntries choose by labels: WorkloadEntries, and pods that are ready.

https://istio.io/latest/docs/reference/config/networking/workload-entry/
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from labkit.embedded.mesh import localities
from labkit.embedded.mesh.configs import Config, configs_of
from labkit.embedded.mesh.hosts import is_address
from labkit.embedded.mesh.identity.spiffe import account_of
from labkit.embedded.mesh.services import Endpoint
from labkit.embedded.mesh.workloads import Workload
from labkit.embedded.objects import (
    Obj,
    condition_of,
    has_labels,
    is_terminating,
    labels_of,
    name_of,
    namespace_of,
)

TLS_MODE = "security.istio.io/tlsMode"
_NAME = "service.istio.io/workload-name"
Ports = Mapping[str, int]


@dataclass(frozen=True)
class Selected:
    """One workload, as an endpoint without a port."""

    endpoint: Endpoint
    ports: Ports
    """Its own numbers for ports by name."""

    @property
    def is_named(self) -> bool:
        """Whether it is known by a host name, or by a socket: then no Service of Kubernetes has it."""
        return not is_address(self.endpoint.address)


class SelectedWorkloads:
    """All that may be chosen, by namespace."""

    def __init__(self, entries: Iterable[Obj], pods: Iterable[Obj], nodes: localities.Nodes) -> None:
        self._given_entries, self._given_pods, self._nodes = entries, pods, nodes

    def entries(self, namespace: str, selector: Mapping[str, str]) -> Iterator[Selected]:
        """The WorkloadEntries of *namespace* whose labels fit *selector*."""
        yield from (each for each in self._entries.get(namespace, ()) if each.endpoint.belongs_to(selector))

    def of(self, namespace: str, selector: Mapping[str, str]) -> Iterator[Selected]:
        """Pods and WorkloadEntries."""
        for pod in self._pods.get(namespace, ()):
            if has_labels(labels_of(pod), selector):
                yield Selected(_pod_endpoint(pod, self._nodes), {})
        yield from self.entries(namespace, selector)

    @cached_property
    def _entries(self) -> Mapping[str, list[Selected]]:
        found: dict[str, list[Selected]] = defaultdict(list)
        for config in configs_of(self._given_entries):
            found[config.namespace].append(_of_entry(config))
        return found

    @cached_property
    def _pods(self) -> Mapping[str, list[Obj]]:
        found: dict[str, list[Obj]] = defaultdict(list)
        for pod in self._given_pods:
            if _is_ready(pod) and not is_terminating(pod):
                found[namespace_of(pod)].append(pod)
        return found


def _is_ready(pod: Obj) -> bool:
    condition = condition_of(pod, "Ready") or {}
    return bool((pod.get("status") or {}).get("podIP")) and condition.get("status") == "True"


def _pod_endpoint(pod: Obj, nodes: localities.Nodes) -> Endpoint:
    return Endpoint(
        str(pod["status"]["podIP"]),
        0,
        labels_of(pod),
        locality=localities.of_pod(pod, nodes),
        workload=name_of(pod),
        namespace=namespace_of(pod),
        account=account_of(pod),
        node=localities.node_of(pod),
        told=Workload.of(pod),
    )


def _of_entry(config: Config) -> Selected:
    ports = {str(name): int(number) for name, number in (config.spec.get("ports") or {}).items()}
    return Selected(
        entry_endpoint(config.spec, config.namespace, config.annotations.get(_NAME) or config.name), ports
    )


def entry_endpoint(given: Mapping[str, Any], namespace: str, workload: str = "") -> Endpoint:
    """A ``WorkloadEntry`` in its JSON form, its port left open; one with an account takes the mesh's TLS."""
    labels, account = dict(given.get("labels") or {}), str(given.get("serviceAccount") or "")
    if account:
        labels.setdefault(TLS_MODE, "istio")
    return Endpoint(
        address=str(given.get("address") or ""),
        port=0,
        labels=labels,
        weight=max(1, int(given.get("weight") or 1)),
        locality=str(given.get("locality") or localities.of_labels(labels)),
        workload=workload,
        namespace=namespace,
        account=account,
    )
