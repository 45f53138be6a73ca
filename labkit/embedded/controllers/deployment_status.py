"""A Deployment's status: counts, and the conditions that ``kubectl rollout status`` and ``wait`` read."""

from __future__ import annotations

from labkit.embedded.controllers.readiness import seconds_since
from labkit.embedded.controllers.rollout import available, desired
from labkit.embedded.objects import Obj, condition_of, name_of, timestamp

NO_DEADLINE = 2**31 - 1


def status_of(found: Obj, new: Obj | None, sets: list[Obj]) -> tuple[Obj, float | None]:
    """The status, and in how many seconds the progress deadline has to be looked at."""
    counts = _counts(found, new, sets)
    progress, again = _progress(found, new, counts)
    conditions = [_stamped(found, each) for each in (_available(found, counts), progress) if each]
    kept = [each for each in found.get("status", {}).get("conditions") or [] if not _written(each)]
    status = {name: number for name, number in counts.items() if number}
    status["observedGeneration"] = found["metadata"].get("generation", 1)
    return {**status, "conditions": [*kept, *conditions]}, again


def _written(condition: Obj) -> bool:
    return condition["type"] in ("Available", "Progressing")


def _counts(found: Obj, new: Obj | None, sets: list[Obj]) -> dict[str, int]:
    def total(field: str) -> int:
        return sum(int(each.get("status", {}).get(field, 0)) for each in sets)

    return {
        "replicas": total("replicas"),
        "updatedReplicas": int(new.get("status", {}).get("replicas", 0)) if new else 0,
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": total("availableReplicas"),
        "unavailableReplicas": max(0, desired(found) - total("availableReplicas")),
    }


def _available(found: Obj, counts: dict[str, int]) -> Obj:
    least = desired(found) - available(found)[1]
    if counts["availableReplicas"] >= least:
        return {
            "type": "Available",
            "status": "True",
            "reason": "MinimumReplicasAvailable",
            "message": "Deployment has minimum availability.",
        }
    return {
        "type": "Available",
        "status": "False",
        "reason": "MinimumReplicasUnavailable",
        "message": "Deployment does not have minimum availability.",
    }


def _progress(found: Obj, new: Obj | None, counts: dict[str, int]) -> tuple[Obj | None, float | None]:
    before = condition_of(found, "Progressing")
    if found["spec"].get("paused"):
        paused = _condition("Unknown", "DeploymentPaused", "Deployment is paused")
        return paused, None
    if new is None:
        return before, None
    if _complete(found, counts):
        message = f'ReplicaSet "{name_of(new)}" has successfully progressed.'
        return _condition("True", "NewReplicaSetAvailable", message), None
    if (
        _moved(found, counts)
        or before is None
        or before["reason"] in ("NewReplicaSetAvailable", "DeploymentPaused")
    ):
        message = f'ReplicaSet "{name_of(new)}" is progressing.'
        moved = _condition("True", "ReplicaSetUpdated", message) | {"lastUpdateTime": timestamp()}
        return moved, float(_deadline(found))
    return _late(found, new, before)


def _late(found: Obj, new: Obj, before: Obj) -> tuple[Obj, float | None]:
    left = _deadline(found) - seconds_since(before.get("lastUpdateTime", ""))
    if left > 0 or before["reason"] == "ProgressDeadlineExceeded":
        return before, max(left, 1.0) if left > 0 else None
    message = f'ReplicaSet "{name_of(new)}" has timed out progressing.'
    return _condition("False", "ProgressDeadlineExceeded", message), None


def _condition(status: str, reason: str, message: str) -> Obj:
    return {"type": "Progressing", "status": status, "reason": reason, "message": message}


def _complete(found: Obj, counts: dict[str, int]) -> bool:
    wanted = desired(found)
    observed = (counts["updatedReplicas"], counts["replicas"], counts["availableReplicas"])
    return observed == (wanted, wanted, wanted)


def _moved(found: Obj, counts: dict[str, int]) -> bool:
    """Whether more is new, less is old, or more is available than when last written."""
    status = found.get("status", {})

    def before(field: str) -> int:
        return int(status.get(field, 0))

    old = counts["replicas"] - counts["updatedReplicas"]
    return (
        counts["updatedReplicas"] > before("updatedReplicas")
        or old < before("replicas") - before("updatedReplicas")
        or counts["readyReplicas"] > before("readyReplicas")
        or counts["availableReplicas"] > before("availableReplicas")
    )


def _deadline(found: Obj) -> int:
    return int(found["spec"].get("progressDeadlineSeconds", 600))


def _stamped(found: Obj, condition: Obj) -> Obj:
    """*condition* with its times: kept where nothing changed, so that the status settles."""
    now = timestamp()
    before = condition_of(found, condition["type"]) or {}
    same = all(before.get(field) == condition.get(field) for field in ("status", "reason", "message"))
    updated = condition.get("lastUpdateTime") or (before.get("lastUpdateTime") if same else None) or now
    turned = before.get("lastTransitionTime") if before.get("status") == condition["status"] else None
    return {**condition, "lastUpdateTime": updated, "lastTransitionTime": turned or now}
