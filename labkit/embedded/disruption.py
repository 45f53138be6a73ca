"""Pods that must go for the cluster's sake: the condition that says why, then the deletion."""

from __future__ import annotations

from labkit.embedded.interfaces import Client
from labkit.embedded.objects import Obj, condition_of, name_of, namespace_of, timestamp, uid_of

DISRUPTION_TARGET = "DisruptionTarget"


def disrupt(
    client: Client, pod: Obj, reason: str, message: str, *, phase: str = "", grace_seconds: int | None = None
) -> None:
    """Write on *pod* why it has to go (and the *phase* it ends in, if nobody else will), then delete it.

    Raises ApiError where it has gone already.
    """
    status = pod.get("status") or {}
    condition = {
        "type": DISRUPTION_TARGET,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastProbeTime": None,
        "lastTransitionTime": timestamp(),
    }
    if condition_of(pod, DISRUPTION_TARGET) is None:
        conditions = [*(status.get("conditions") or []), condition]
        changed = {**status, "conditions": conditions} | ({"phase": phase} if phase else {})
        client.update_status("pods", {**pod, "status": changed})
    client.delete("pods", name_of(pod), namespace_of(pod), grace_seconds=grace_seconds, uid=uid_of(pod))
