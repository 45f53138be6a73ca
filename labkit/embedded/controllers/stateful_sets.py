"""StatefulSet → pods with an identity, one after the other.

The rules of ``pkg/controller/statefulset`` in Kubernetes. A reconcile is one step: what it changes brings the
next one.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from labkit.embedded.controllers.history import History
from labkit.embedded.controllers.ownership import claim, keys_of
from labkit.embedded.controllers.readiness import available_in, is_ready
from labkit.embedded.controllers.runtime import Key
from labkit.embedded.controllers.stateful_pods import is_well, new_pod, ordinal, revision_of, start
from labkit.embedded.controllers.stepping import step
from labkit.embedded.events import Recorder
from labkit.embedded.interfaces import Client, WatchEvent
from labkit.embedded.objects import (
    Obj,
    is_terminating,
    mutable,
    name_of,
    namespace_of,
)
from labkit.embedded.status import ApiError

STATEFUL_SETS = "statefulsets.apps"
_OVER = ("Succeeded", "Failed")


class StatefulSets:
    """Keeps the pods of each StatefulSet."""

    resources = (STATEFUL_SETS, "pods")

    def __init__(self, client: Client) -> None:
        self._client = client
        self._events = Recorder(client, "statefulset-controller")

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The StatefulSet itself, or the one that owns the pod (or might adopt it)."""
        return keys_of(self._client, event, STATEFUL_SETS, "StatefulSet")

    def reconcile(self, key: Key) -> float | None:
        """One step, then the status."""
        return step(self._client, STATEFUL_SETS, key, partial(_Step, self._client, self._events))


class _Step:
    """One look at a StatefulSet and its pods."""

    def __init__(self, client: Client, events: Recorder, found: Obj) -> None:
        self._client, self._events, self._found = client, events, found
        self._spec: Obj = found["spec"]
        self._minimum = int(self._spec.get("minReadySeconds", 0))
        self._history = History(client, found)
        self._update = self._history.present
        before = self._history.named((found.get("status") or {}).get("currentRevision", ""))
        self._current = before or self._update
        self.again: float | None = None

    def _pods(self) -> dict[int, Obj]:
        pods = claim(self._client, "pods", self._found)
        return {number: pod for pod in pods if (number := ordinal(self._found, pod)) >= 0}

    @property
    def _wanted(self) -> range:
        first = start(self._found)
        return range(first, first + self._spec["replicas"])

    @property
    def _is_ordered(self) -> bool:
        return bool(self._spec["podManagementPolicy"] == "OrderedReady")

    @property
    def _rolling(self) -> Obj | None:
        """How the pods are brought to the present revision; None where somebody else deletes them."""
        strategy: Obj = self._spec["updateStrategy"]
        return (strategy.get("rollingUpdate") or {}) if strategy["type"] == "RollingUpdate" else None

    def take(self) -> None:
        """Make who is missing; else delete who is too many; else who is of an old revision."""
        pods = self._pods()
        if self._fill(pods) and self._drop(pods) and self._rolling is not None:
            self._roll(pods, self._rolling)

    def _fill(self, pods: dict[int, Obj]) -> bool:
        """Whether all are there, and in order, well."""
        for number in self._wanted:
            pod = pods.get(number)
            if pod is None:
                self._create(number)
            elif pod["status"].get("phase") in _OVER and not is_terminating(pod):
                self._delete(pod)
            elif is_well(pod, self._minimum) or not self._is_ordered:
                continue
            if self._is_ordered:
                return False
        return True

    def _drop(self, pods: dict[int, Obj]) -> bool:
        """Whether nobody is too many; the last goes first, and in order one at a time."""
        condemned = [pods[number] for number in sorted(pods, reverse=True) if number not in self._wanted]
        ill = next((pod for pod in reversed(condemned) if not is_well(pod, self._minimum)), None)
        for pod in condemned:
            waits = is_terminating(pod) or (not is_well(pod, self._minimum) and pod is not ill)
            if waits and self._is_ordered:
                return False
            if not is_terminating(pod):
                self._delete(pod)
            if self._is_ordered:
                return False
        return not condemned

    def _roll(self, pods: dict[int, Obj], rolling: Obj) -> None:
        first = start(self._found) + int(rolling.get("partition", 0))
        for number in sorted(pods, reverse=True):
            pod = pods[number]
            if number < first:
                return
            if revision_of(pod) != name_of(self._update) and not is_terminating(pod):
                self._delete(pod)
                return
            if not is_well(pod, self._minimum):
                return

    def _revision_for(self, number: int) -> Obj:
        rolling = self._rolling
        if rolling is None:
            return self._update
        kept = rolling.get("partition", 0)
        return self._current if number < start(self._found) + kept else self._update

    def _create(self, number: int) -> None:
        pod = new_pod(self._found, self._revision_for(number), number)
        said = f"create Pod {name_of(pod)} in StatefulSet {name_of(self._found)}"
        try:
            self._client.create("pods", pod)
        except ApiError as error:
            self._events.event(self._found, "Warning", "FailedCreate", f"{said} failed error: {error}")
            raise
        self._events.event(self._found, "Normal", "SuccessfulCreate", f"{said} successful")

    def _delete(self, pod: Obj) -> None:
        self._client.delete("pods", name_of(pod), namespace_of(pod))
        said = f"delete Pod {name_of(pod)} in StatefulSet {name_of(self._found)} successful"
        self._events.event(self._found, "Normal", "SuccessfulDelete", said)

    def write_status(self) -> None:
        """What there is now; a rollout that is complete makes its revision the current one."""
        pods = list(self._pods().values())
        staying = [pod for pod in pods if not is_terminating(pod)]
        ready = [pod for pod in pods if is_ready(pod)]
        waits = [available_in(pod, self._minimum) for pod in ready]
        self.again = min((wait for wait in waits if wait > 0), default=None)
        updated = _count(staying, self._update)
        wanted = self._spec["replicas"]
        if self._rolling is not None and (updated, len(ready), len(pods)) == (wanted, wanted, wanted):
            self._current = self._update
        counts = {
            "readyReplicas": len(ready),
            "currentReplicas": _count(staying, self._current),
            "updatedReplicas": updated,
        }
        status = {
            "observedGeneration": self._found["metadata"].get("generation", 1),
            "replicas": len(pods),
            "availableReplicas": sum(wait <= 0 for wait in waits),
            "currentRevision": name_of(self._current),
            "updateRevision": name_of(self._update),
            "collisionCount": 0,
            **{key: each for key, each in counts.items() if each},
        }
        if status != self._found.get("status"):
            self._client.update_status(STATEFUL_SETS, {**mutable(self._found), "status": status})
        self._history.forget({name_of(self._current), *map(revision_of, pods)})


def _count(pods: list[Obj], revision: Obj) -> int:
    return sum(revision_of(pod) == name_of(revision) for pod in pods)
