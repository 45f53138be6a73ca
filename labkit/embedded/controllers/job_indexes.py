"""``backoffLimitPerIndex``: each index of a Job may fail so often, and the others go on without it.

How often an index has failed stands in an annotation of its pods. A pod that failed is therefore kept, by not
taking its finalizer, until the one that takes its place is there, and has it from it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from labkit.embedded.controllers.job_pods import ended_at, has_failed, index_of, is_active, is_tracked
from labkit.embedded.controllers.job_policies import verdict
from labkit.embedded.objects import Obj, annotations_of

FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"


def has_limit(job: Obj) -> bool:
    """Whether the failures of each index are counted apart."""
    return job["spec"].get("backoffLimitPerIndex") is not None


def failed_of(job: Obj, pods: Iterable[Obj]) -> set[int]:
    """The indexes that have failed for good by one of *pods* that was not counted yet."""
    mine = (pod for pod in pods if is_tracked(pod) and _is_in(job, pod) and has_failed(pod, job))
    return {index_of(pod) for pod in mine if _is_last(job, pod)}


def _is_in(job: Obj, pod: Obj) -> bool:
    return 0 <= index_of(pod) < int(job["spec"]["completions"])


def _is_last(job: Obj, pod: Obj) -> bool:
    found = verdict(job, pod)
    is_spent = _number(pod, FAILURES) >= int(job["spec"]["backoffLimitPerIndex"])
    return found.action == "FailIndex" or (found.counts and is_spent)


def replaceable(job: Obj, pods: Collection[Obj], over: set[int]) -> dict[int, Obj]:
    """The last pod of each index that failed, is not *over*, and has no other at work."""
    busy = over | {index_of(pod) for pod in pods if is_active(pod)}
    found: dict[int, Obj] = {}
    for pod in pods:
        if is_tracked(pod) and _is_in(job, pod) and has_failed(pod, job) and index_of(pod) not in busy:
            found[index_of(pod)] = max(found.get(index_of(pod), pod), pod, key=_age)
    return found


def _age(pod: Obj) -> tuple[int, str]:
    return absolute(pod), ended_at(pod)


def absolute(pod: Obj) -> int:
    """How often its index had failed before it, whether or not that counts."""
    return _number(pod, FAILURES) + _number(pod, IGNORED)


def annotations_after(job: Obj, failed: Obj | None) -> dict[str, str]:
    """What the pod that takes the place of *failed* is told; the first of an index takes nobody's."""
    counts = {FAILURES: 0, IGNORED: 0}
    if failed is not None:
        counts = {key: _number(failed, key) for key in counts}
        counts[FAILURES if verdict(job, failed).counts else IGNORED] += 1
    return {key: str(count) for key, count in counts.items() if count or key == FAILURES}


def _number(pod: Obj, key: str) -> int:
    text = annotations_of(pod).get(key, "")
    return int(text) if text.isascii() and text.isdecimal() and int(text) < 2**31 else 0
