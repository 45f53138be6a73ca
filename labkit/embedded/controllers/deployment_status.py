"""A Deployment's status: counts, and the conditions that ``kubectl rollout status`` and ``wait`` read."""

from __future__ import annotations

from labkit.embedded.controllers.conditions import stamped
from labkit.embedded.controllers.readiness import seconds_since
from labkit.embedded.controllers.rollout import desired, limits, total
from labkit.embedded.objects import Obj, condition_of, name_of, timestamp

NO_DEADLINE = 2**31 - 1
"""The ``progressDeadlineSeconds`` that means: never."""

OURS = ("Available", "Progressing", "ReplicaFailure")
COMPLETE = ("updatedReplicas", "replicas", "availableReplicas")
"""The counts that all equal ``spec.replicas`` at the end of a rollout."""

Counts = dict[str, int]


def status_of(found: Obj, new: Obj | None, old: list[Obj]) -> tuple[Obj, float | None]:
    """The status, and in how many seconds the progress deadline has to be looked at."""
    sets = [*([new] if new else []), *old]
    counts = _counts(new, sets)
    progress, again = _progress(found, new, counts)
    written = [_available(found, counts), progress, _failure(sets)]
    kept = [each for each in found.get("status", {}).get("conditions") or [] if each["type"] not in OURS]
    conditions = [*kept, *(stamped(found, each) for each in written if each)]
    status: Obj = {name: number for name, number in counts.items() if number}
    status["observedGeneration"] = found["metadata"].get("generation", 1)
    return {**status, "conditions": conditions}, again


def is_complete(found: Obj) -> bool:
    """Whether all pods are of the present template and available, as the status says."""
    status = found.get("status", {})
    return _all_there(found, {name: int(status.get(name, 0)) for name in COMPLETE})


def _all_there(found: Obj, counts: Counts) -> bool:
    return all(counts[name] == desired(found) for name in COMPLETE)


def _counts(new: Obj | None, sets: list[Obj]) -> Counts:
    def sum_of(field: str) -> int:
        return sum(int(each.get("status", {}).get(field, 0)) for each in sets)

    return {
        "replicas": sum_of("replicas"),
        "updatedReplicas": int(new.get("status", {}).get("replicas", 0)) if new else 0,
        "readyReplicas": sum_of("readyReplicas"),
        "availableReplicas": sum_of("availableReplicas"),
        "unavailableReplicas": max(0, total(sets) - sum_of("availableReplicas")),
    }


def _available(found: Obj, counts: Counts) -> Obj:
    if counts["availableReplicas"] >= desired(found) - limits(found)[1]:
        message = "Deployment has minimum availability."
        return _condition("Available", "True", "MinimumReplicasAvailable", message)
    message = "Deployment does not have minimum availability."
    return _condition("Available", "False", "MinimumReplicasUnavailable", message)


def _failure(sets: list[Obj]) -> Obj | None:
    """Why a ReplicaSet can't make its pods; the new one's reason first."""
    return next(filter(None, (condition_of(each, "ReplicaFailure") for each in sets)), None)


def _progress(found: Obj, new: Obj | None, counts: Counts) -> tuple[Obj | None, float | None]:
    before = condition_of(found, "Progressing")
    if _deadline(found) == NO_DEADLINE:
        return None, None
    if found["spec"].get("paused"):
        return _progressing("Unknown", "DeploymentPaused", "Deployment is paused"), None
    if _all_there(found, counts) and new is not None:
        message = f'ReplicaSet "{name_of(new)}" has successfully progressed.'
        return _progressing("True", "NewReplicaSetAvailable", message), None
    if before and before["reason"] == "NewReplicaSetAvailable" and _is_one_revision(new, counts):
        return before, None  # scaled, or a pod fell ill: that is no rollout
    if started := _start(new, before):
        return started, float(_deadline(found))
    return _going(found, new, counts, before)


def _is_one_revision(new: Obj | None, counts: Counts) -> bool:
    return new is not None and not _is_untouched(new) and counts["replicas"] == counts["updatedReplicas"]


def _is_untouched(new: Obj) -> bool:
    """Whether the ReplicaSet is so new that its own controller has not seen it."""
    return not new.get("status", {}).get("observedGeneration")


def _start(new: Obj | None, before: Obj | None) -> Obj | None:
    if new is not None and _is_untouched(new):
        return _progressing("True", "NewReplicaSetCreated", f'Created new replica set "{name_of(new)}"')
    if new is not None and before is None:
        return _progressing("True", "FoundNewReplicaSet", f'Found new replica set "{name_of(new)}"')
    if before is not None and before["reason"] == "DeploymentPaused":
        return _progressing("Unknown", "DeploymentResumed", "Deployment is resumed")
    return None


def _going(
    found: Obj, new: Obj | None, counts: Counts, before: Obj | None
) -> tuple[Obj | None, float | None]:
    """In the middle of a rollout: on its way, or late."""
    thing = f'ReplicaSet "{name_of(new)}"' if new else f'Deployment "{name_of(found)}"'
    if before is None or _moved(found, counts) or before["reason"] == "NewReplicaSetAvailable":
        message = f"{thing} is progressing."
        moved = _progressing("True", "ReplicaSetUpdated", message) | {"lastUpdateTime": timestamp()}
        return moved, float(_deadline(found))
    if before["reason"] == "ProgressDeadlineExceeded":
        return before, None
    left = _deadline(found) - seconds_since(before.get("lastUpdateTime", ""))
    if left > 0:
        return before, left
    return _progressing("False", "ProgressDeadlineExceeded", f"{thing} has timed out progressing."), None


def _moved(found: Obj, counts: Counts) -> bool:
    """Whether more is new, less is old, or more is available than when last written."""
    status = found.get("status", {})

    def before(field: str) -> int:
        return int(status.get(field, 0))

    old = counts["replicas"] - counts["updatedReplicas"]
    return old < before("replicas") - before("updatedReplicas") or any(
        counts[field] > before(field) for field in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )


def _deadline(found: Obj) -> int:
    return int(found["spec"].get("progressDeadlineSeconds", 600))


def _progressing(status: str, reason: str, message: str) -> Obj:
    return _condition("Progressing", status, reason, message)


def _condition(kind: str, status: str, reason: str, message: str) -> Obj:
    return {"type": kind, "status": status, "reason": reason, "message": message}
