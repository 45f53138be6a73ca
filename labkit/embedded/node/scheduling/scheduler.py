"""Binds pods to nodes, the most important first; those that fit nowhere wait for something to change.

Nothing is polled: a pod is tried when it comes or changes, and whatever waits is tried again when a
node changes or another pod comes, goes, ends or changes its labels.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from labkit.embedded.disruption import disrupt
from labkit.embedded.events import Recorder
from labkit.embedded.interfaces import Client, WatchEvent
from labkit.embedded.node.scheduling.filters import Refusal, refusal
from labkit.embedded.node.scheduling.preemption import WAITS_FOR_VICTIMS, Sacrifice, preempt
from labkit.embedded.node.scheduling.words import NO_NODES, unschedulable
from labkit.embedded.node.scheduling.world import World, has_ended, priority_of
from labkit.embedded.objects import (
    Obj,
    condition_of,
    is_terminating,
    labels_of,
    name_of,
    namespace_of,
    timestamp,
    uid_of,
)
from labkit.embedded.selectors import matches_term
from labkit.embedded.status import ApiError
from labkit.embedded.taints import taints_of, untolerated

NAME = "default-scheduler"
GATED = "Scheduling is blocked due to non-empty scheduling gates"

log = logging.getLogger(__name__)


class Scheduler:
    """Works until cancelled; pods with another ``schedulerName`` are not its business."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._recorder = Recorder(client, NAME)
        self._seen: dict[str, object] = {}
        """uid → what of a node or a pod counts for where pods may be."""
        self._synced = False

    async def run(self) -> None:
        """Watch, and bind what can be bound."""
        async for event in self._client.watch("nodes", "pods"):
            if event.type == "SYNCED":
                self._synced = True
                self._try_waiting()
            elif self._is_news(event) and self._synced:
                self._try_waiting()

    def _is_news(self, event: WatchEvent) -> bool:
        """Whether *event* can change a decision: neither a heartbeat nor a probe can."""
        uid = uid_of(event.object)
        if event.type == "DELETED":
            return self._seen.pop(uid, None) is not None
        now = (_node_side if event.resource == "nodes" else _pod_side)(event.object)
        before, self._seen[uid] = self._seen.get(uid), now
        return before != now

    def _try_waiting(self) -> None:
        """Try all that wait, in the order of the plug-in PrioritySort."""
        waiting = [pod for pod in self._client.list("pods") if _is_ours(pod)]
        waiting.sort(key=lambda pod: (-priority_of(pod), pod["metadata"].get("creationTimestamp", "")))
        for pod in waiting:
            try:
                self._try(pod)
            except Exception as error:  # one odd pod, or a full disk, must not hold up the others
                known = isinstance(error, ApiError)
                log.warning("pod %s/%s: %s", namespace_of(pod), name_of(pod), error, exc_info=not known)

    def _try(self, pod: Obj) -> None:
        if pod["spec"].get("schedulingGates"):
            self._wait(pod, "SchedulingGated", GATED)
            return
        world = World.seen_by(self._client, pod)
        refusals: dict[str, Refusal] = {}
        for node in sorted(world.nodes.values(), key=lambda node: _cost(pod, node, world)):
            found = refusal(pod, node, world)
            if found is None:
                self._bind(pod, name_of(node))
                return
            refusals[name_of(node)] = found
        self._refuse(pod, refusals, world)

    def _bind(self, pod: Obj, node: str) -> None:
        self._client.patch("pods", name_of(pod), namespace_of(pod), {"spec": {"nodeName": node}})
        where = f"{namespace_of(pod)}/{name_of(pod)}"
        self._recorder.event(pod, "Normal", "Scheduled", f"Successfully assigned {where} to {node}")

    def _refuse(self, pod: Obj, refusals: Mapping[str, Refusal], world: World) -> None:
        if not refusals:
            self._wait(pod, "Unschedulable", NO_NODES)
            return
        found = preempt(pod, refusals, world)
        if isinstance(found, Sacrifice):
            self._wait(pod, "Unschedulable", unschedulable(refusals, ""), nominated=name_of(found.node))
            self._evict(found, pod)
        else:
            kept = pod["status"].get("nominatedNodeName", "") if found == WAITS_FOR_VICTIMS else ""
            self._wait(pod, "Unschedulable", unschedulable(refusals, found), nominated=kept)

    def _evict(self, sacrifice: Sacrifice, pod: Obj) -> None:
        for victim in sacrifice.victims:
            why = f"{NAME}: preempting to accommodate a higher priority pod"
            disrupt(self._client, victim, "PreemptionByScheduler", why)
            told = f"Preempted by pod {uid_of(pod)} on node {name_of(sacrifice.node)}"
            self._recorder.event(victim, "Normal", "Preempted", told)

    def _wait(self, pod: Obj, reason: str, message: str, *, nominated: str = "") -> None:
        """Say why *pod* waits, once for each reason, and which node is being cleared for it."""
        old, known = pod.get("status") or {}, condition_of(pod, "PodScheduled") or {}
        if (known.get("reason"), known.get("message")) != (reason, message) and reason != "SchedulingGated":
            self._recorder.event(pod, "Warning", "FailedScheduling", message)
        others = [each for each in old.get("conditions") or [] if each["type"] != "PodScheduled"]
        status = {**old, "conditions": [*others, _not_scheduled(known, reason, message)]}
        status.pop("nominatedNodeName", None)
        status |= {"nominatedNodeName": nominated} if nominated else {}
        if status != old:
            self._client.update_status("pods", {**pod, "status": status})


def _is_ours(pod: Obj) -> bool:
    spec = pod.get("spec") or {}
    waits = not spec.get("nodeName") and not is_terminating(pod) and not has_ended(pod)
    return waits and spec.get("schedulerName", NAME) == NAME


def _not_scheduled(known: Obj, reason: str, message: str) -> Obj:
    since = known.get("lastTransitionTime") if known.get("status") == "False" else None
    return {
        "type": "PodScheduled",
        "status": "False",
        "reason": reason,
        "message": message,
        "lastProbeTime": None,
        "lastTransitionTime": since or timestamp(),
    }


def _cost(pod: Obj, node: Obj, world: World) -> tuple[int, int, int, str]:
    """Where a pod should rather not go: taints, wishes not met, many others."""
    taints = sum(1 for _ in untolerated(pod, taints_of(node, "PreferNoSchedule")))
    affinity = ((pod["spec"].get("affinity") or {}).get("nodeAffinity")) or {}
    wishes = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or []
    met = sum(int(each["weight"]) for each in wishes if matches_term(each["preference"], node))
    return taints, -met, len(world.on(node)), name_of(node)


def _node_side(node: Obj) -> object:
    return labels_of(node), node.get("spec"), (node.get("status") or {}).get("allocatable")


def _pod_side(pod: Obj) -> object:
    return labels_of(pod), pod.get("spec"), has_ended(pod), is_terminating(pod)
