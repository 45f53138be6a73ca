"""What stands in the picture of the mesh: workloads with their pods, the client, and dead ends.

A workload is there because it runs, whether or not somebody called it; a host outside and a dead end
(where a proxy sent a request nowhere) only because somebody did.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

import pandas as pd

from labkit.kube.proxies.running import Pod, Running
from labkit.language import gettext, gettext_noop
from labkit.scenario.cast import EGRESS, INGRESS, Workload
from labkit.scenario.learner import Learner
from labkit.traffic.calls import AGAIN, CLIENT, GONE, OUTSIDE, STOPPED


class Kind(Enum):
    """What a node is."""

    CLIENT = gettext_noop("client")
    WORKLOAD = gettext_noop("workload")
    OUTSIDE = gettext_noop("outside the cluster")
    GONE = gettext_noop("no longer there")
    STOPPED = gettext_noop("stopped")


@dataclass(frozen=True)
class Node:
    """One thing with a place of its own."""

    key: str
    """As in the frame of calls."""
    kind: Kind
    title: str
    namespace: str = ""
    pods: tuple[Pod, ...] = ()
    services: tuple[str, ...] = ()
    """``name:port`` of the Services that stand for it."""
    gateways: tuple[str, ...] = ()
    """Gateway objects that open a port of it."""
    short: str = ""
    """Its title where there is little room."""
    about: str = ""
    """Of a dead end: what had been asked for."""

    @property
    def is_gateway(self) -> bool:
        """Whether it is an Envoy and nothing else."""
        return any(pod.is_gateway for pod in self.pods)

    @property
    def again(self) -> bool:
        """Whether it is an ingress gateway seen a second time: as the mesh itself calls it."""
        return self.key.endswith(AGAIN)

    @property
    def app(self) -> str:
        """Label ``app`` of its pods."""
        return self.pods[0].labels.get("app", "") if self.pods else ""

    @property
    def workload(self) -> str:
        """The Deployment, or what else made its pods."""
        return self.pods[0].workload if self.pods else ""

    @property
    def ready(self) -> int:
        """How many of its pods are ready."""
        return sum(not pod.trouble for pod in self.pods)

    @property
    def name(self) -> str:
        """As the table calls it: its title, and which of two it is."""
        return gettext("{title} (from inside)", title=self.title) if self.again else self.title


def nodes_of(calls: pd.DataFrame, running: Running, learner: Learner) -> dict[str, Node]:
    """Key → node, for what runs in the mesh and for everything in *calls*; named as *learner* knows them."""
    called = dict.fromkeys([*calls["source"], *calls["destination"]])
    pods = _pods_by_key(running, set(called), learner)
    titles = _titles(pods, learner)
    short = learner.scenario.short_titles
    found = [_workload(key, its_pods, titles[key], running, short) for key, its_pods in pods.items()]
    found += [
        _workload(key, pods[base], titles[base], running, short)
        for key in called
        if key.endswith(AGAIN) and (base := key.removesuffix(AGAIN)) in pods
    ]
    found += list(_others(calls))
    return {node.key: node for node in found}


def _pods_by_key(running: Running, called: set[str], learner: Learner) -> dict[str, tuple[Pod, ...]]:
    """The pods to show: the gateways, those of the mesh's namespaces, and all that called or were called."""
    ours = {
        *running.namespaces,
        *learner.namespaces,
        *(pod.namespace for pod in running.pods if _has_sidecar(pod)),
    }
    found: dict[str, list[Pod]] = defaultdict(list)
    for pod in running.pods:
        if pod.is_gateway or pod.namespace in ours or pod.key in called:
            found[pod.key].append(pod)
    return {key: tuple(pods) for key, pods in found.items()}


def _has_sidecar(pod: Pod) -> bool:
    return pod.has_proxy and not pod.is_gateway


def _titles(pods: dict[str, tuple[Pod, ...]], learner: Learner) -> dict[str, str]:
    """Key → what people call it; with the namespace where two would be called the same."""
    known = {(learner.own(one.namespace), one.app): one for one in learner.scenario.workloads}
    found = {key: _title(some[0], known) for key, some in pods.items()}
    names = list(found.values())
    return {key: title if names.count(title) == 1 else key for key, title in found.items()}


def _title(pod: Pod, known: Mapping[tuple[str, str], Workload]) -> str:
    workload = known.get((pod.namespace, pod.labels.get("app", "")))
    if pod.is_gateway and not workload:
        return INGRESS.title if pod.lets_in else EGRESS.title
    if workload and len(workload.deployments) > 1:
        return f"{workload.title} {pod.labels.get('version', '')}".rstrip()
    return workload.title if workload else pod.workload


def _workload(
    key: str, pods: tuple[Pod, ...], title: str, running: Running, short: Mapping[str, str]
) -> Node:
    pod = pods[0]
    services = [service for service in running.services if service.selects(pod)]
    gateways = [
        rule.name
        for rule in running.rules
        if rule.kind == "Gateway" and pod.is_gateway and rule.selector.items() <= pod.labels.items()
    ]
    return Node(
        key=key,
        kind=Kind.WORKLOAD,
        title=title,
        namespace=pod.namespace,
        pods=pods,
        services=tuple(f"{one.name}:{'/'.join(map(str, one.ports))}" for one in services),
        gateways=tuple(gateways),
        short=short.get(title, title.removesuffix("-deployment")),
    )


def _others(calls: pd.DataFrame) -> Iterator[Node]:
    yield Node(CLIENT, Kind.CLIENT, gettext("client"))
    if (calls["source"] == GONE).any():
        yield Node(GONE, Kind.GONE, gettext("some pod"))
    ends = calls.drop_duplicates("destination")[["destination", "about"]].itertuples(index=False)
    for key, about in ends:
        if key.startswith(OUTSIDE):
            yield Node(key, Kind.OUTSIDE, key.removeprefix(OUTSIDE))
        elif key.startswith(GONE):
            yield Node(key, Kind.GONE, key.removeprefix(GONE))
        elif STOPPED in key:
            yield Node(key, Kind.STOPPED, key.rpartition(STOPPED)[2], about=_first(about))


def _first(about: Iterable[str]) -> str:
    first, *more = [*about] or [""]
    return f"{first}, …" if more else first
