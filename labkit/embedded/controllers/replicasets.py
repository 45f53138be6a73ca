"""ReplicaSet → pods."""

from __future__ import annotations

from collections.abc import Iterable

from labkit.embedded.controllers.conditions import turned
from labkit.embedded.controllers.ownership import claim, keys_of, reference
from labkit.embedded.controllers.readiness import available_in, is_ready
from labkit.embedded.controllers.runtime import Key
from labkit.embedded.events import Recorder
from labkit.embedded.interfaces import Client, WatchEvent
from labkit.embedded.objects import (
    Obj,
    annotations_of,
    condition_of,
    is_terminating,
    labels_of,
    mutable,
    name_of,
    namespace_of,
)
from labkit.embedded.status import ApiError

REPLICASETS = "replicasets.apps"
CONTROLLERS, REPLICATION = "replicationcontrollers", "replication-controller"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


class ReplicaSets:
    """Keeps as many pods of each ReplicaSet as it asks for."""

    def __init__(self, client: Client, resource: str = REPLICASETS, kind: str = "ReplicaSet") -> None:
        """*resource* and *kind*: of ReplicationControllers, too, whose selector is a plain map."""
        self.resources = (resource, "pods")
        self._client, self._resource, self._kind = client, resource, kind
        self._events = Recorder(client, "replicaset-controller" if kind == "ReplicaSet" else REPLICATION)

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The ReplicaSet itself, or the one that owns the pod (or might adopt it)."""
        return keys_of(self._client, event, self._resource, self._kind)

    def reconcile(self, key: Key) -> float | None:
        """Create or delete pods until the number is right; then the status."""
        found = self._client.find(self._resource, key[1], key[0])
        if found is None:
            return None
        pods = [pod for pod in claim(self._client, "pods", _selecting(found)) if _counts(pod)]
        failure: ApiError | None = None
        if not is_terminating(found):
            try:
                pods = self._scale(found, pods)
            except ApiError as error:
                failure = error
        again = self._write_status(found, pods, failure)
        if failure:
            raise failure
        return again

    def _scale(self, found: Obj, pods: list[Obj]) -> list[Obj]:
        wanted = found["spec"].get("replicas", 1)
        kept = list(pods)
        for _ in range(wanted - len(pods)):
            kept.append(self._create(found))
        surplus = len(pods) - wanted
        for pod in sorted(pods, key=deletion_rank)[: max(surplus, 0)]:
            self._client.delete("pods", name_of(pod), namespace_of(pod))
            self._events.event(found, "Normal", "SuccessfulDelete", f"Deleted pod: {name_of(pod)}")
            kept.remove(pod)
        return kept

    def _create(self, found: Obj) -> Obj:
        try:
            pod = self._client.create("pods", pod_of(found))
        except ApiError as error:
            self._events.event(found, "Warning", "FailedCreate", f"Error creating: {error}")
            raise
        self._events.event(found, "Normal", "SuccessfulCreate", f"Created pod: {name_of(pod)}")
        return pod

    def _write_status(self, found: Obj, pods: list[Obj], failure: ApiError | None) -> float | None:
        template_labels = found["spec"]["template"]["metadata"].get("labels") or {}
        minimum = found["spec"].get("minReadySeconds", 0)
        waits = [available_in(pod, minimum) for pod in pods if is_ready(pod)]
        status: Obj = {
            "replicas": len(pods),
            "fullyLabeledReplicas": sum(template_labels.items() <= labels_of(pod).items() for pod in pods),
            "readyReplicas": len(waits),
            "availableReplicas": sum(wait <= 0 for wait in waits),
            "observedGeneration": found["metadata"].get("generation", 1),
        }
        status = {name: number for name, number in status.items() if number or name == "replicas"}
        if failure:
            status["conditions"] = [_failure_condition(found, failure)]
        if status != found.get("status"):
            self._client.update_status(self._resource, mutable(found) | {"status": status})
        later = [wait for wait in waits if wait > 0]
        return min(later) if later else None


def _failure_condition(found: Obj, failure: ApiError) -> Obj:
    """The first refusal is kept: each names another pod, and a status that changed would bring us back
    at once instead of after the pause."""
    condition = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": str(failure),
    }
    return condition_of(found, "ReplicaFailure") or turned(found, condition)


def _selecting(found: Obj) -> Obj:
    """*found* with its selector in the form of a ``LabelSelector``."""
    if found["kind"] == "ReplicaSet":
        return found
    return {**found, "spec": {**found["spec"], "selector": {"matchLabels": found["spec"]["selector"]}}}


def pod_of(found: Obj) -> Obj:
    """A new pod of a ReplicaSet, not yet created."""
    template = mutable(found["spec"]["template"])
    metadata = template.get("metadata") or {}
    kept = {name: metadata[name] for name in ("labels", "annotations") if metadata.get(name)}
    made = {
        "generateName": f"{name_of(found)}-",
        "namespace": namespace_of(found),
        "ownerReferences": [reference(found)],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": kept | made, "spec": template["spec"]}


def _counts(pod: Obj) -> bool:
    return not is_terminating(pod) and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def deletion_rank(pod: Obj) -> tuple[bool, int, bool, int, str, int, str, str]:
    """Which pod goes first, as ``controller.ActivePodsWithRanks`` sorts: the one that is missed least.

    Unassigned, then pending, then not ready, then the cheapest by annotation, then the one ready for
    the shortest time, then the most restarted, then the youngest.
    """
    phase = {"Pending": 0, "Unknown": 1}.get(pod.get("status", {}).get("phase", "Pending"), 2)
    ready_since = (condition_of(pod, "Ready") or {}).get("lastTransitionTime", "") if is_ready(pod) else ""
    return (
        bool(pod["spec"].get("nodeName")),
        phase,
        is_ready(pod),
        _deletion_cost(pod),
        _latest_first(ready_since),
        -_restarts(pod),
        _latest_first(pod["metadata"].get("creationTimestamp", "")),
        name_of(pod),
    )


def _deletion_cost(pod: Obj) -> int:
    try:
        return int(annotations_of(pod).get(DELETION_COST, "0"))
    except ValueError:
        return 0


def _restarts(pod: Obj) -> int:
    statuses = pod.get("status", {}).get("containerStatuses") or []
    return max((int(each.get("restartCount", 0)) for each in statuses), default=0)


def _latest_first(moment: str) -> str:
    """Sorts times backwards: RFC 3339 sorts as text, so its digits are turned round."""
    return moment.translate(_BACKWARDS)


_BACKWARDS = str.maketrans("0123456789", "9876543210")
