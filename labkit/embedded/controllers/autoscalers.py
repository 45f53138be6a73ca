"""HorizontalPodAutoscaler → the size of a workload, by what its pods use.

The rules of ``pkg/controller/podautoscaler`` in Kubernetes, for the metrics there are here: the processor and
memory of containers.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from labkit.embedded.controllers.autoscaling_metrics import Measure, MetricError, Proposal, propose
from labkit.embedded.controllers.autoscaling_rules import Memory, limited
from labkit.embedded.controllers.conditions import turned
from labkit.embedded.controllers.runtime import Key
from labkit.embedded.events import Recorder
from labkit.embedded.interfaces import Client, WatchEvent
from labkit.embedded.objects import Obj, is_terminating, mutable, name_of, namespace_of, timestamp, uid_of
from labkit.embedded.status import ApiError

AUTOSCALERS = "horizontalpodautoscalers.autoscaling"
PERIOD = 15.0  # seconds between two decisions


class Autoscalers:
    """Decides every few seconds, and at once where the autoscaler itself has changed."""

    resources = (AUTOSCALERS,)

    def __init__(self, client: Client, kinds: Mapping[tuple[str, str], str], measure: Measure) -> None:
        """*kinds*: (group, kind) → resource, of what may be scaled."""
        self._client, self._kinds, self._measure = client, kinds, measure
        self._events = Recorder(client, "horizontal-pod-autoscaler")
        self._next: dict[Key, tuple[str, float]] = {}
        """What an autoscaler wanted when it was looked at, and when that is to be again."""
        self._memories: dict[str, Memory] = {}

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The autoscaler."""
        if event.type == "DELETED":
            self._memories.pop(uid_of(event.object), None)
        return [(namespace_of(event.object), name_of(event.object))]

    def reconcile(self, key: Key) -> float | None:
        """Decide, unless it is too early: its own status, too, is a change."""
        found = self._client.find(AUTOSCALERS, key[1], key[0])
        if found is None or is_terminating(found):
            self._next.pop(key, None)
            return None
        spec, now = repr(found["spec"]), time.monotonic()
        before, due = self._next.get(key, ("", 0.0))
        if spec == before and now < due:
            return due - now
        self._next[key] = spec, now + PERIOD
        self._decide(found)
        return PERIOD

    def _decide(self, found: Obj) -> None:
        status = mutable(found.get("status") or {})
        decision = _Decision(found, status, self._events)
        try:
            self._scale(found, status, decision)
        except MetricError as error:
            decision.conclude("ScalingActive", "False", error.reason, f"the HPA was unable to {error}")
            self._events.event(found, "Warning", error.reason, str(error.cause))
        except ApiError as error:
            said = f"the HPA controller was unable to get the target's current scale: {error}"
            decision.conclude("AbleToScale", "False", "FailedGetScale", said)
            self._events.event(found, "Warning", "FailedGetScale", str(error))
        if status != found.get("status"):
            self._client.update_status(AUTOSCALERS, {**mutable(found), "status": status})

    def _target(self, found: Obj) -> tuple[str, Obj]:
        reference = found["spec"]["scaleTargetRef"]
        group = reference.get("apiVersion", "").rpartition("/")[0]
        resource = self._kinds.get((group, reference["kind"]))
        if resource is None:
            why = f'no matches for kind "{reference["kind"]}" in group "{group}"'
            raise ApiError(404, "NotFound", why)
        return resource, self._client.get(resource, reference["name"], namespace_of(found))

    def _scale(self, found: Obj, status: Obj, decision: _Decision) -> None:
        resource, target = self._target(found)
        said = "the HPA controller was able to get the target's current scale"
        decision.conclude("AbleToScale", "True", "SucceededGetScale", said)
        current, spec = int(target["spec"].get("replicas", 1)), found["spec"]
        status["currentReplicas"] = int(target.get("status", {}).get("replicas", 0))
        memory = self._memories.setdefault(uid_of(found), Memory())
        if current == 0:
            wanted = 0
            why = "scaling is disabled since the replica count of the target is zero"
            decision.conclude("ScalingActive", "False", "ScalingDisabled", why)
        elif current > spec["maxReplicas"]:
            wanted, decision.reason = spec["maxReplicas"], "Current number of replicas above Spec.MaxReplicas"
        elif current < spec["minReplicas"]:
            wanted, decision.reason = spec["minReplicas"], "Current number of replicas below Spec.MinReplicas"
        else:
            wanted = self._by_metrics(found, target, current, status, decision, memory)
        if wanted != current:
            self._client.patch(resource, name_of(target), namespace_of(found), {"spec": {"replicas": wanted}})
            memory.note(wanted - current)
            decision.rescaled(wanted)
        status["desiredReplicas"] = wanted

    def _by_metrics(
        self, found: Obj, target: Obj, current: int, status: Obj, decision: _Decision, memory: Memory
    ) -> int:
        selector = target["spec"].get("selector")
        if not selector:
            why = "the HPA target's scale is missing a selector"
            raise MetricError("InvalidSelector", f"compute the replica count: {why}", "selector is required")
        proposals = self._proposals(found, selector, current, status)
        best = max(proposals, key=lambda each: each.replicas)
        why = f"the HPA was able to successfully calculate a replica count from {best.name}"
        decision.conclude("ScalingActive", "True", "ValidMetricFound", why)
        decision.reason = (
            f"{best.name} above target" if best.replicas > current else "All metrics below target"
        )
        wanted, conditions = limited(found["spec"], memory, current, best.replicas)
        for each in conditions:
            decision.conclude(*each)
        return wanted

    def _proposals(self, found: Obj, selector: Obj, current: int, status: Obj) -> list[Proposal]:
        """What each metric asks for; MetricError where none is there, or one is missing to shrink by."""
        proposals: list[Proposal] = []
        trouble: MetricError | None = None
        for metric in found["spec"]["metrics"]:
            try:
                proposals.append(
                    propose(self._client, self._measure, namespace_of(found), selector, metric, current)
                )
            except MetricError as error:
                trouble = trouble or error
        status["currentMetrics"] = [each.status for each in proposals]
        most = max((each.replicas for each in proposals), default=-1)
        if trouble and (not proposals or most < current):
            raise trouble
        return proposals


class _Decision:
    """What is said of one decision."""

    def __init__(self, found: Obj, status: Obj, events: Recorder) -> None:
        self._found, self._status, self._events = found, status, events
        self.reason = ""

    def conclude(self, kind: str, value: str, reason: str, message: str) -> None:
        told = turned(
            {"status": self._status}, {"type": kind, "status": value, "reason": reason, "message": message}
        )
        known: list[Obj] = self._status.get("conditions") or []
        if any(each["type"] == kind for each in known):
            self._status["conditions"] = [told if each["type"] == kind else each for each in known]
        else:
            self._status["conditions"] = [*known, told]

    def rescaled(self, wanted: int) -> None:
        self._status["lastScaleTime"] = timestamp()
        said = f"the HPA controller was able to update the target scale to {wanted}"
        self.conclude("AbleToScale", "True", "SucceededRescale", said)
        message = f"New size: {wanted}; reason: {self.reason}"
        self._events.event(self._found, "Normal", "SuccessfulRescale", message)
