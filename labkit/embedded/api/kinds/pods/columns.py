"""The pod row of ``kubectl get pods``: READY, STATUS and RESTARTS out of container states.

STATUS is not a field of the pod; a real API server works it out for the table, and so do we, by
the rules of ``k8s.io/kubernetes/pkg/printers``.
"""

from __future__ import annotations

import datetime as dt
from operator import attrgetter

from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, Row, wide
from labkit.embedded.api.kinds.common.durations import parse_time, since
from labkit.embedded.objects import Obj, condition_of, is_terminating

_COMPLETED = {
    "Succeeded": ("Succeeded", "The pod has completed successfully."),
    "Failed": ("Failed", "The pod failed."),
}


class PodRow(Row):
    """A pod at one moment."""

    def __init__(self, obj: Obj, now: dt.datetime) -> None:
        super().__init__(obj, now)
        ready, total, self.reason, restarts, last = _summary(obj)
        self.ready = f"{ready}/{total}"
        self.restarts = f"{restarts} ({since(last, now)} ago)" if restarts and last else str(restarts)

    @property
    def conditions(self) -> list[Obj]:
        """Marks the rows of finished pods, which kubectl may hide."""
        found = _COMPLETED.get(self.status.get("phase", ""))
        if not found:
            return []
        reason, message = found
        return [{"type": "Completed", "status": "True", "reason": reason, "message": message}]


def _first_ip(status: Obj) -> str:
    addresses = status.get("podIPs") or [{"ip": status.get("podIP")}]
    return addresses[0].get("ip") or "<none>"


def _readiness_gates(pod: Obj) -> str:
    gates = pod.get("spec", {}).get("readinessGates") or []
    if not gates:
        return "<none>"
    found = (condition_of(pod, gate.get("conditionType", "")) for gate in gates)
    return f"{sum(1 for each in found if each and each.get('status') == 'True')}/{len(gates)}"


def _summary(pod: Obj) -> tuple[int, int, str, int, str]:
    """Ready containers, all containers, STATUS, restarts, time of the last restart."""
    spec, status = pod.get("spec", {}), pod.get("status", {})
    sidecars = {
        each.get("name") for each in spec.get("initContainers") or [] if each.get("restartPolicy") == "Always"
    }
    total = len(spec.get("containers") or []) + len(sidecars)
    reason = _pod_reason(status)
    init = status.get("initContainerStatuses") or []
    init_reason, ready = _init_progress(spec, init, sidecars)
    counted = init
    if not init_reason or _is_true(pod, "Initialized"):
        own = status.get("containerStatuses") or []
        reason, running = _containers_reason(pod, init_reason or reason)
        ready += running
        counted = [each for each in init if each.get("name") in sidecars] + own
    else:
        reason = init_reason
    restarts, last = _restarts(counted)
    return ready, total, _terminating_reason(pod, reason), restarts, last


def _pod_reason(status: Obj) -> str:
    gated = any(
        condition.get("type") == "PodScheduled" and condition.get("reason") == "SchedulingGated"
        for condition in status.get("conditions") or []
    )
    return "SchedulingGated" if gated else status.get("reason") or status.get("phase") or ""


def _terminating_reason(pod: Obj, reason: str) -> str:
    status = pod.get("status", {})
    if not is_terminating(pod):
        return reason
    if status.get("reason") == "NodeLost":
        return "Unknown"
    return reason if status.get("phase") in _COMPLETED else "Terminating"


def _init_progress(spec: Obj, statuses: list[Obj], sidecars: set[str | None]) -> tuple[str, int]:
    """STATUS while init containers run (empty once they are through) and the ready sidecars."""
    ready = 0
    for index, each in enumerate(statuses):
        state = each.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting") or {}
        if ended and not ended.get("exitCode"):
            continue
        if each.get("name") in sidecars and each.get("started"):
            ready += bool(each.get("ready"))
            continue
        if ended:
            return "Init:" + _ended_reason(ended), ready
        if waiting.get("reason") and waiting["reason"] != "PodInitializing":
            return f"Init:{waiting['reason']}", ready
        return f"Init:{index}/{len(spec.get('initContainers') or [])}", ready
    return "", ready


def _ended_reason(ended: Obj) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _containers_reason(pod: Obj, reason: str) -> tuple[str, int]:
    """STATUS from the app containers (the first one wins) and how many of them are ready."""
    ready = 0
    for each in reversed(pod.get("status", {}).get("containerStatuses") or []):
        state = each.get("state") or {}
        if (state.get("waiting") or {}).get("reason"):
            reason = state["waiting"]["reason"]
        elif state.get("terminated") is not None:
            reason = _ended_reason(state["terminated"])
        elif each.get("ready") and state.get("running") is not None:
            ready += 1
    if reason == "Completed" and ready:
        reason = "Running" if _is_true(pod, "Ready") else "NotReady"
    return reason, ready


def _restarts(statuses: list[Obj]) -> tuple[int, str]:
    count = sum(each.get("restartCount") or 0 for each in statuses)
    ends = [((each.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for each in statuses]
    known = [end for end in ends if end and parse_time(end)]
    return count, max(known, default="")


def _is_true(pod: Obj, kind: str) -> bool:
    condition = condition_of(pod, kind)
    return bool(condition) and condition.get("status") == "True"  # type: ignore[union-attr]


COLUMNS = (
    NAME,
    Column("Ready", attrgetter("ready")),
    Column("Status", attrgetter("reason")),
    Column("Restarts", attrgetter("restarts")),
    AGE,
    wide("IP", lambda row: _first_ip(row.status)),
    wide("Node", lambda row: row.spec.get("nodeName") or "<none>"),
    wide("Nominated Node", lambda row: row.status.get("nominatedNodeName") or "<none>"),
    wide("Readiness Gates", lambda row: _readiness_gates(row.obj)),
)
