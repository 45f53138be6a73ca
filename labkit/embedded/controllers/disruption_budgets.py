"""The disruption controller: how many pods of a budget are well, have to be, and may go.

``k8s.io/kubernetes/pkg/controller/disruption``, for pods of ReplicaSets, Deployments and StatefulSets; any
other pod's
owner is taken to want the pods there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from labkit.embedded.controllers.conditions import turned
from labkit.embedded.controllers.ownership import selects
from labkit.embedded.controllers.readiness import is_ready, seconds_since
from labkit.embedded.controllers.runtime import Key
from labkit.embedded.interfaces import Client, WatchEvent
from labkit.embedded.objects import (
    Obj,
    controller_of,
    is_terminating,
    labels_of,
    mutable,
    name_of,
    namespace_of,
    uid_of,
)

BUDGETS = "poddisruptionbudgets.policy"
_PATIENCE = 120.0  # seconds after which an evicted pod that is still there counts again
_OWNERS = {
    "ReplicaSet": "replicasets.apps",
    "Deployment": "deployments.apps",
    "StatefulSet": "statefulsets.apps",
    "ReplicationController": "replicationcontrollers",
}


class DisruptionBudgets:
    """Keeps the status of every budget."""

    resources = (BUDGETS, "pods", *_OWNERS.values())

    def __init__(self, client: Client) -> None:
        self._client = client

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The budget; those of a pod's or a workload's namespace."""
        namespace = namespace_of(event.object)
        if event.resource == BUDGETS:
            return [(namespace, name_of(event.object))]
        return [(namespace, name_of(each)) for each in self._client.list(BUDGETS, namespace)]

    def reconcile(self, key: Key) -> float | None:
        """Write what is allowed now."""
        budget = self._client.find(BUDGETS, key[1], key[0])
        if budget is None or is_terminating(budget):
            return None
        pods = self._pods(budget)
        disrupted, again = self._disrupted(budget, pods)
        healthy = sum(
            is_ready(pod) and not is_terminating(pod) and name_of(pod) not in disrupted for pod in pods
        )
        expected, desired = self._wanted(budget["spec"], pods)
        self._write(budget, expected, desired, healthy, disrupted)
        return again

    def _pods(self, budget: Obj) -> list[Obj]:
        selector = budget["spec"].get("selector")
        if selector is None:
            return []
        pods = self._client.list("pods", namespace_of(budget))
        alive = (pod for pod in pods if pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"))
        return [pod for pod in alive if selects(selector, labels_of(pod))]

    def _disrupted(self, budget: Obj, pods: list[Obj]) -> tuple[dict[str, str], float | None]:
        """Who was evicted and has not begun to go; and when to look at them again."""
        alive = {name_of(pod) for pod in pods if not is_terminating(pod)}
        given = budget["status"].get("disruptedPods") or {}
        left = {name: at for name, at in given.items() if name in alive and seconds_since(at) < _PATIENCE}
        return left, (_PATIENCE - max(map(seconds_since, left.values())) if left else None)

    def _wanted(self, spec: Obj, pods: list[Obj]) -> tuple[int, int]:
        """How many pods are expected, and how many have to be well."""
        if "maxUnavailable" in spec:
            expected = self._expected(pods)
            return expected, max(expected - _share(spec["maxUnavailable"], expected), 0)
        least = spec.get("minAvailable", 1 if "minAvailable" in spec else 0)
        if isinstance(least, int):
            return len(pods), least
        expected = self._expected(pods)
        return expected, _share(least, expected)

    def _expected(self, pods: list[Obj]) -> int:
        """The sum of what the pods' owners want."""
        wanted: dict[str, int] = {}
        for pod in pods:
            owner = self._owner(pod)
            while owner is not None and (above := self._owner(owner)) is not None:
                owner = above
            if owner is None:
                wanted[uid_of(pod)] = 1
            else:
                wanted[uid_of(owner)] = int(owner.get("spec", {}).get("replicas", 1))
        return sum(wanted.values())

    def _owner(self, obj: Obj) -> Obj | None:
        reference = controller_of(obj)
        resource = _OWNERS.get(reference["kind"]) if reference else None
        if reference is None or resource is None:
            return None
        return self._client.find(resource, reference["name"], namespace_of(obj))

    def _write(
        self, budget: Obj, expected: int, desired: int, healthy: int, disrupted: dict[str, str]
    ) -> None:
        allowed = max(healthy - desired, 0) if expected > 0 else 0
        reason = "SufficientPods" if allowed else "InsufficientPods"
        generation = budget["metadata"]["generation"]
        condition = {
            "type": "DisruptionAllowed",
            "status": "True" if allowed else "False",
            "reason": reason,
            "message": "",
            "observedGeneration": generation,
        }
        status = {
            "observedGeneration": generation,
            "disruptionsAllowed": allowed,
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
            "conditions": [turned(budget, condition)],
        } | ({"disruptedPods": disrupted} if disrupted else {})
        if status != budget["status"]:
            self._client.update_status(BUDGETS, {**mutable(budget), "status": status})


def _share(value: int | str, whole: int) -> int:
    return value if isinstance(value, int) else math.ceil(whole * int(value[:-1]) / 100)
