"""What a Job's controller asks of pods, and the pods it makes; sets of indexes as ``0-2,5``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from labkit.embedded.controllers.replicasets import pod_of
from labkit.embedded.objects import Obj, annotations_of, condition_of, is_terminating, mutable, name_of

FINALIZER = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
_OVER = ("Succeeded", "Failed")
_VARIABLE = {
    "name": "JOB_COMPLETION_INDEX",
    "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}},
}


def phase(pod: Obj) -> str:
    """The pod's phase, Pending where it has none yet."""
    return str((pod.get("status") or {}).get("phase") or "Pending")


def is_active(pod: Obj) -> bool:
    """Whether it is neither over nor on its way out."""
    return phase(pod) not in _OVER and not is_terminating(pod)


def is_leaving(pod: Obj) -> bool:
    """Whether it is on its way out and has not come to an end."""
    return phase(pod) not in _OVER and is_terminating(pod)


def has_failed(pod: Obj, job: Obj) -> bool:
    """Whether it counts as a failure: what is being deleted does, unless the job waits for its end."""
    if phase(pod) == "Failed":
        return True
    waits = job["spec"].get("podReplacementPolicy") == "Failed"
    return not waits and is_leaving(pod)


def is_tracked(pod: Obj) -> bool:
    """Whether it has still to be counted."""
    return FINALIZER in (pod["metadata"].get("finalizers") or ())


def untracked(pod: Obj) -> Obj:
    """A copy of it that nobody has to count any more."""
    changed = mutable(pod)
    kept = [each for each in changed["metadata"]["finalizers"] if each != FINALIZER]
    changed["metadata"]["finalizers"] = kept
    return changed


def index_of(pod: Obj) -> int:
    """The completion index, -1 where there is none."""
    text = annotations_of(pod).get(INDEX, "")
    return int(text) if text.isdecimal() and text.isascii() else -1


def restarts(pods: Iterable[Obj]) -> int:
    """How often containers of those that run or wait were started again."""
    alive = [pod["status"] for pod in pods if phase(pod) in ("Running", "Pending")]
    keys = ("initContainerStatuses", "containerStatuses")
    return sum(
        int(each.get("restartCount", 0)) for one in alive for key in keys for each in one.get(key) or ()
    )


def ended_at(pod: Obj) -> str:
    """When it came to an end, as far as that can be told; RFC 3339 sorts as text."""
    states = [(each.get("state") or {}) for each in pod["status"].get("containerStatuses") or ()]
    ends = [(each.get("terminated") or {}).get("finishedAt") or "" for each in states]
    if ends and all(ends):
        return str(max(ends))
    unready = condition_of(pod, "Ready")
    if unready is not None and unready["status"] == "False" and unready.get("lastTransitionTime"):
        return str(unready["lastTransitionTime"])
    return str(pod["metadata"].get("deletionTimestamp") or pod["metadata"]["creationTimestamp"])


def failures(pods: list[Obj], job: Obj) -> list[str]:
    """When pods failed since the last one that succeeded, in order."""
    success = max((ended_at(pod) for pod in pods if phase(pod) == "Succeeded"), default="")
    return sorted(end for pod in pods if has_failed(pod, job) and (end := ended_at(pod)) > success)


def new_pod(job: Obj, index: int | None, told: Mapping[str, str] | None = None) -> Obj:
    """A pod of *job*, not yet created; *told* are annotations of its own."""
    pod = pod_of(job)
    meta = pod["metadata"]
    meta["finalizers"] = [FINALIZER]
    if index is None:
        return pod
    meta["generateName"] = f"{name_of(job)}-{index}-"
    for key in ("labels", "annotations"):
        meta[key] = {**(meta.get(key) or {}), INDEX: str(index)}
    meta["annotations"] |= told or {}
    spec = pod["spec"]
    spec["hostname"] = f"{name_of(job)}-{index}"
    for container in [*spec.get("containers", ()), *spec.get("initContainers", ())]:
        known = container.setdefault("env", [])
        if all(each["name"] != _VARIABLE["name"] for each in known):
            known.append(mutable(_VARIABLE))
    return pod


def indexes(text: str) -> set[int]:
    """``0-2,5`` as numbers."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def shown_indexes(numbers: Iterable[int]) -> str:
    """Numbers as ``0-2,5``; two in a row stand alone, as the real controller has it."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ",".join(_run(each) for each in runs)


def _run(ends: list[int]) -> str:
    first, last = ends[0], ends[-1]
    if first == last:
        return str(first)
    return f"{first},{last}" if last == first + 1 else f"{first}-{last}"


def seconds_until(moment: str, patience: float) -> float:
    """What is left of *patience* since *moment*; zero or less where it is over."""
    passed = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(moment)
    return patience - passed.total_seconds()
