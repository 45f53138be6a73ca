"""DaemonSet → a pod on each node that takes one. The rules of ``pkg/controller/daemon`` in Kubernetes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from functools import partial

from labkit.embedded.controllers.daemon_pods import is_of, may_run, new_pod, node_of
from labkit.embedded.controllers.history import History, digest_of
from labkit.embedded.controllers.ownership import claim, keys_of
from labkit.embedded.controllers.readiness import available_in, is_ready
from labkit.embedded.controllers.runtime import Key
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

DAEMON_SETS = "daemonsets.apps"


class DaemonSets:
    """Keeps the pods of each DaemonSet."""

    resources = (DAEMON_SETS, "pods", "nodes")

    def __init__(self, client: Client) -> None:
        self._client = client
        self._events = Recorder(client, "daemonset-controller")

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The DaemonSet itself, or the one of the pod (or that might adopt it); all, of a node."""
        if event.resource == "nodes":
            return [(namespace_of(each), name_of(each)) for each in self._client.list(DAEMON_SETS)]
        return keys_of(self._client, event, DAEMON_SETS, "DaemonSet")

    def reconcile(self, key: Key) -> float | None:
        """One step, then the status."""
        return step(self._client, DAEMON_SETS, key, partial(_Step, self._client, self._events))


class _Step:
    """One look at a DaemonSet, its pods and the nodes."""

    def __init__(self, client: Client, events: Recorder, found: Obj) -> None:
        self._client, self._events, self._found = client, events, found
        self._minimum = int(found["spec"].get("minReadySeconds", 0))
        self._history = History(client, found)
        self._nodes = {name_of(node): may_run(found, node) for node in client.list("nodes")}
        self.again: float | None = None

    def _pods(self) -> dict[str, list[Obj]]:
        by_node = defaultdict(list)
        for pod in claim(self._client, "pods", self._found):
            by_node[node_of(pod)].append(pod)
        return by_node

    def take(self) -> None:
        """Make who is missing, delete who should not be there, then roll."""
        pods = self._pods()
        for node, (runs, stays) in self._nodes.items():
            self._look_after(node, pods[node], runs=runs, stays=stays)
        if self._found["spec"]["updateStrategy"]["type"] == "RollingUpdate":
            self._roll(self._pods())

    def _look_after(self, node: str, pods: list[Obj], *, runs: bool, stays: bool) -> None:
        over = [pod for pod in pods if pod["status"].get("phase") in ("Failed", "Succeeded")]
        for pod in over:
            if not is_terminating(pod):
                self._tell_over(node, pod)
                self._delete(pod)
        if not stays:
            for pod in pods:
                if pod not in over and not is_terminating(pod):
                    self._delete(pod)
        elif runs and not pods:
            self._create(node)
        self._drop_doubles([pod for pod in pods if pod not in over and not is_terminating(pod)])

    def _tell_over(self, node: str, pod: Obj) -> None:
        word = pod["status"]["phase"].lower()
        reason = {"failed": "FailedDaemonPod", "succeeded": "SucceededDaemonPod"}[word]
        kind = {"failed": "Warning", "succeeded": "Normal"}[word]
        end = {"failed": "will try to kill it", "succeeded": "will try to delete it"}[word]
        where = f"{namespace_of(pod)}/{name_of(pod)} on node {node}"
        self._events.event(self._found, kind, reason, f"Found {word} daemon pod {where}, {end}")

    def _drop_doubles(self, pods: list[Obj]) -> None:
        """Of each revision the oldest stays."""
        for group in ([p for p in pods if self._is_new(p)], [p for p in pods if not self._is_new(p)]):
            for pod in sorted(group, key=lambda pod: pod["metadata"]["creationTimestamp"])[1:]:
                self._delete(pod)

    def _is_new(self, pod: Obj) -> bool:
        return is_of(pod, self._history.present)

    def _is_well(self, pod: Obj) -> bool:
        return is_ready(pod) and not is_terminating(pod) and available_in(pod, self._minimum) <= 0

    def _roll(self, pods: dict[str, list[Obj]]) -> None:
        wanted = [node for node, (runs, _) in self._nodes.items() if runs]
        rolling = self._found["spec"]["updateStrategy"]["rollingUpdate"]
        surge = _share(rolling["maxSurge"], len(wanted))
        if surge:
            self._surge(pods, wanted, surge)
        else:
            self._replace(pods, wanted, _share(rolling["maxUnavailable"], len(wanted)))

    def _replace(self, pods: dict[str, list[Obj]], wanted: list[str], most: int) -> None:
        """Old ones that are ill go at once; of the others as many as may be away."""
        away, well = 0, []
        for node in wanted:
            here = [pod for pod in pods[node] if not is_terminating(pod)]
            if not any(map(self._is_well, here)):
                away += 1
            for pod in here:
                if not self._is_new(pod):
                    well.append(pod) if self._is_well(pod) else self._delete(pod)
        for pod in well[: max(most - away, 0)]:
            self._delete(pod)

    def _surge(self, pods: dict[str, list[Obj]], wanted: list[str], most: int) -> None:
        """The new one comes beside the old one, which goes when the new one is well."""
        coming = 0
        for node in wanted:
            here = [pod for pod in pods[node] if not is_terminating(pod)]
            old, new = [p for p in here if not self._is_new(p)], [p for p in here if self._is_new(p)]
            if old and any(map(self._is_well, new)):
                self._delete(old[0])
            elif old and new:
                coming += 1
            elif old and not self._is_well(old[0]):
                self._delete(old[0])
            elif old and coming < most:
                coming += 1
                self._create(node)

    def _create(self, node: str) -> None:
        try:
            pod = self._client.create("pods", new_pod(self._found, self._history.present, node))
        except ApiError as error:
            self._events.event(self._found, "Warning", "FailedCreate", f"Error creating: {error}")
            raise
        self._events.event(self._found, "Normal", "SuccessfulCreate", f"Created pod: {name_of(pod)}")

    def _delete(self, pod: Obj) -> None:
        self._client.delete("pods", name_of(pod), namespace_of(pod))
        self._events.event(self._found, "Normal", "SuccessfulDelete", f"Deleted pod: {name_of(pod)}")

    def write_status(self) -> None:
        """What there is now, node by node."""
        pods, count = self._pods(), dict.fromkeys(("current", "missed", "ready", "available", "updated"), 0)
        desired = sum(runs for runs, _ in self._nodes.values())
        for node, (runs, _) in self._nodes.items():
            here = sorted(
                pods[node], key=lambda pod: (not is_ready(pod), pod["metadata"]["creationTimestamp"])
            )
            if not runs:
                count["missed"] += bool(here)
            elif here:
                count["current"] += 1
                count["ready"] += is_ready(here[0])
                count["available"] += self._is_well(here[0])
                count["updated"] += any(self._is_new(pod) for pod in here if not is_terminating(pod))
        everyone = [pod for here in pods.values() for pod in here if is_ready(pod)]
        waits = [wait for pod in everyone if (wait := available_in(pod, self._minimum)) > 0]
        self.again = min(waits, default=None)
        self._write(desired, count)
        digests = {digest_of(each): name_of(each) for each in self._history.all}
        live = {
            digests.get(pod["metadata"]["labels"].get("controller-revision-hash", ""), "") for pod in everyone
        }
        self._history.forget(live)

    def _write(self, desired: int, count: dict[str, int]) -> None:
        always = {
            "currentNumberScheduled": count["current"],
            "numberMisscheduled": count["missed"],
            "desiredNumberScheduled": desired,
            "numberReady": count["ready"],
            "observedGeneration": self._found["metadata"].get("generation", 1),
        }
        often = {
            "updatedNumberScheduled": count["updated"],
            "numberAvailable": count["available"],
            "numberUnavailable": desired - count["available"],
        }
        status = {**always, **{key: each for key, each in often.items() if each}}
        if status != self._found.get("status"):
            self._client.update_status(DAEMON_SETS, {**mutable(self._found), "status": status})


def _share(value: int | str, whole: int) -> int:
    return value if isinstance(value, int) else math.ceil(whole * int(value[:-1]) / 100)
