"""What one metric of an autoscaler says: how much is used, and how many pods that asks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from labkit.embedded.controllers.ownership import selects
from labkit.embedded.controllers.readiness import is_ready
from labkit.embedded.interfaces import Client, Usage
from labkit.embedded.objects import Obj, condition_of, is_terminating, labels_of, name_of
from labkit.embedded.quantities import amount, shown

TOLERANCE = 0.1
_APIS = {"Pods": "custom", "Object": "custom", "External": "external"}


class MetricError(Exception):
    """A metric can't be had; *cause* is why."""

    def __init__(self, reason: str, message: str, cause: str) -> None:
        super().__init__(message)
        self.reason, self.cause = reason, cause


@dataclass(frozen=True)
class Proposal:
    """How many pods a metric asks for."""

    name: str
    replicas: int
    status: Obj
    """As ``status.currentMetrics`` has it."""


Measure = Callable[[str, str], Mapping[str, Usage]]
"""(namespace, pod) → what its containers use."""


def propose(
    client: Client, measure: Measure, namespace: str, selector: Obj, metric: Obj, current: int
) -> Proposal:
    """What *metric* asks for; MetricError where it can't be measured."""
    kind = metric["type"]
    if kind in _APIS:
        raise _not_served(kind, metric[kind.lower()]["metric"]["name"])
    source = metric["resource" if kind == "Resource" else "containerResource"]
    pods = [pod for pod in client.list("pods", namespace) if selects(selector, labels_of(pod))]
    return _Measured(source, pods, measure, namespace).proposal(kind, current)


def _not_served(kind: str, name: str) -> MetricError:
    cause = (
        f"unable to get metric {name}: unable to fetch metrics from {_APIS[kind]} metrics API: "
        "the server could not find the requested resource"
    )
    return MetricError(f"FailedGet{kind}Metric", f"compute the replica count: {cause}", cause)


class _Measured:
    """The pods of a workload, and what they use of one resource."""

    def __init__(self, source: Obj, pods: list[Obj], measure: Measure, namespace: str) -> None:
        self._resource, self._container = source["name"], source.get("container", "")
        self._target: Obj = source["target"]
        staying = [pod for pod in pods if not is_terminating(pod) and pod["status"].get("phase") != "Failed"]
        self._pods = {name_of(pod): pod for pod in staying}
        usage = {name: self._used(measure(namespace, name)) for name in self._pods}
        self._usage = {name: each for name, each in usage.items() if each is not None}
        self._unready = {name for name, pod in self._pods.items() if self._is_unready(pod)}
        self._missing = self._pods.keys() - self._usage.keys() - self._unready
        for name in self._unready:
            self._usage.pop(name, None)

    def _used(self, usage: Mapping[str, Usage]) -> Decimal | None:
        chosen = [each for name, each in usage.items() if self._container in ("", name)]
        if not chosen:
            return None
        if self._resource == "cpu":
            return Decimal(round(sum(each.cpu for each in chosen) * 1000)) / 1000
        return Decimal(sum(each.memory for each in chosen))

    def _is_unready(self, pod: Obj) -> bool:
        if pod["status"].get("phase") == "Pending":
            return True
        return self._resource == "cpu" and (condition_of(pod, "Ready") is None or not is_ready(pod))

    def _failed(self, cause: str) -> MetricError:
        kind = "ContainerResource" if self._container else "Resource"
        said = f"compute the replica count: failed to get {self._resource} resource metric value: {cause}"
        return MetricError(f"FailedGet{kind}Metric", said, cause)

    def proposal(self, kind: str, current: int) -> Proposal:
        """How many pods the target asks for."""
        if not self._pods:
            raise self._failed("no pods returned by selector while calculating replica count")
        if not self._usage:
            raise self._failed("did not receive metrics for targeted pods (pods might be unready)")
        average = sum(self._usage.values(), Decimal()) / len(self._usage)
        like = "1" if self._resource == "cpu" else "1Ki"
        now: Obj = {"averageValue": shown(_whole(average, self._resource), like)}
        wanted = self._target.get("averageUtilization")
        if wanted is not None:
            requests = {name: self._request(pod) for name, pod in self._pods.items()}
            now["averageUtilization"] = self._utilization(self._usage, requests)
            replicas = self._replicas(
                current, lambda usage: self._utilization(usage, requests) / wanted, requests
            )
            what = "resource utilization (percentage of request)"
        else:
            aim = amount(self._target["averageValue"])
            even = dict.fromkeys(self._pods, aim)
            replicas = self._replicas(
                current, lambda usage: float(sum(usage.values(), Decimal()) / len(usage) / aim), even
            )
            what = "resource"
        key = "containerResource" if self._container else "resource"
        status = {"name": self._resource, "current": now}
        status |= {"container": self._container} if self._container else {}
        name = f"{self._resource} {what}" if not self._container else f"{self._resource} container {what}"
        return Proposal(name, replicas, {"type": kind, key: status})

    def _request(self, pod: Obj) -> Decimal:
        total = Decimal()
        for each in pod["spec"]["containers"]:
            if self._container in ("", each["name"]):
                found = ((each.get("resources") or {}).get("requests") or {}).get(self._resource)
                if found is None:
                    where = f"container {each['name']} of Pod {name_of(pod)}"
                    raise self._failed(f"missing request for {self._resource} in {where}")
                total += amount(found)
        return total

    def _utilization(self, usage: Mapping[str, Decimal], requests: Mapping[str, Decimal]) -> int:
        asked = sum((requests[name] for name in usage), Decimal())
        if not asked:
            raise self._failed("no metrics returned matched known pods")
        return int(sum(usage.values(), Decimal()) * 100 / asked)

    def _replicas(
        self, current: int, ratio_of: Callable[[Mapping[str, Decimal]], float], whole: Mapping[str, Decimal]
    ) -> int:
        """As many as bring the ratio to one; whoever is not measured yet must not turn the direction."""
        ratio = ratio_of(self._usage)
        grows_with_unready = bool(self._unready) and ratio > 1
        if not grows_with_unready and not self._missing:
            if abs(1 - ratio) <= TOLERANCE:
                return current
            return math.ceil(ratio * len(self._usage))
        usage = dict(self._usage)
        if ratio != 1:
            usage |= {name: whole[name] if ratio < 1 else Decimal() for name in self._missing}
        if grows_with_unready:
            usage |= dict.fromkeys(self._unready, Decimal())
        again = ratio_of(usage)
        if abs(1 - again) <= TOLERANCE or (ratio < 1 < again) or (again < 1 < ratio):
            return current
        wanted = math.ceil(again * len(usage))
        turns = (again < 1 and wanted > current) or (again > 1 and wanted < current)
        return current if turns else wanted


def _whole(number: Decimal, resource: str) -> Decimal:
    """Thousandths of a core; whole kibibytes."""
    if resource == "cpu":
        return Decimal(math.floor(number * 1000)) / 1000
    return Decimal(math.floor(number / 1024) * 1024)
