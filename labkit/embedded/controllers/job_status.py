"""The status of a Job: its counts, which no pod enters twice, and its conditions."""

from __future__ import annotations

from collections.abc import Iterable

from labkit.embedded.controllers import job_indexes
from labkit.embedded.controllers.job_pods import (
    has_failed,
    index_of,
    indexes,
    is_leaving,
    is_tracked,
    phase,
    shown_indexes,
)
from labkit.embedded.controllers.job_policies import verdict
from labkit.embedded.controllers.readiness import is_ready
from labkit.embedded.objects import Obj, is_terminating, mutable, timestamp, uid_of

GOALS = {"FailureTarget": "Failed", "SuccessCriteriaMet": "Complete"}
"""What is decided → what it is called when the last pod is gone."""
_KINDS = ("succeeded", "failed")


def condition(job: Obj, kind: str) -> Obj | None:
    """The condition that is there and true."""
    found = (job.get("status") or {}).get("conditions") or []
    return next((each for each in found if each["type"] == kind and each["status"] == "True"), None)


def finished(job: Obj) -> Obj | None:
    """The condition by which *job* is over."""
    return condition(job, "Complete") or condition(job, "Failed")


def made(kind: str, reason: str, message: str, status: str = "True") -> Obj:
    """A condition of this moment."""
    now = timestamp()
    words = {"reason": reason, "message": message}
    return {"type": kind, "status": status, "lastProbeTime": now, "lastTransitionTime": now, **words}


class Tally:
    """A job's status in the making, of the job and its pods.

    A pod that is over is written down by its uid first, then loses the finalizer that has kept it, and
    only then becomes a number: whoever stops in between goes on where it was.
    """

    def __init__(self, job: Obj, pods: list[Obj]) -> None:
        self._job, self.pods = job, pods
        self.status = mutable(job.get("status") or {})
        held: Obj = self.status.get("uncountedTerminatedPods") or {}
        self._uncounted = {kind: list(held.get(kind) or ()) for kind in _KINDS}
        self.is_indexed = job["spec"].get("completionMode") == "Indexed"
        self._fold()
        self.failed_indexes = self._failed_indexes()
        """Those that failed once more than they may; none where that is not limited."""
        self.waiting: dict[int, Obj] = {}
        """The pods that failed and are to be replaced by others of their index."""

    def _failed_indexes(self) -> set[int]:
        if not job_indexes.has_limit(self._job):
            return set()
        return self._known("failedIndexes") | job_indexes.failed_of(self._job, self.pods)

    def _fold(self) -> None:
        """Those that have lost their finalizer become numbers."""
        kept = {uid_of(pod) for pod in self.pods if is_tracked(pod)}
        for kind, uids in self._uncounted.items():
            done = [uid for uid in uids if uid not in kept]
            if done:
                self.status[kind] = self.status.get(kind, 0) + len(done)
            self._uncounted[kind] = [uid for uid in uids if uid in kept]

    def take(self, *, is_failing: bool = False, is_over: bool = False) -> list[Obj]:
        """Write down who is over; they may lose their finalizer. In the end that is who leaves, too."""
        if job_indexes.has_limit(self._job) and not is_over and not is_terminating(self._job):
            over = self.completed | self.failed_indexes
            self.waiting = job_indexes.replaceable(self._job, self.pods, over)
        taken = []
        for pod in (each for each in self.pods if is_tracked(each) and each not in self.waiting.values()):
            lost = has_failed(pod, self._job) or (is_failing and is_leaving(pod))
            if phase(pod) == "Succeeded":
                self._note("succeeded", pod)
            elif lost:
                self._note("failed", pod)
            elif not (is_over and is_leaving(pod)):
                continue
            taken.append(pod)
        return taken

    def _note(self, kind: str, pod: Obj) -> None:
        if self.is_indexed and not 0 <= index_of(pod) < self._job["spec"]["completions"]:
            return
        if self.is_indexed and kind == "succeeded":
            self.complete({index_of(pod)})
        elif kind == "failed" and not verdict(self._job, pod).counts:
            return
        elif not any(uid_of(pod) in uids for uids in self._uncounted.values()):
            self._uncounted[kind].append(uid_of(pod))

    def complete(self, numbers: Iterable[int]) -> None:
        """Indexes that have succeeded."""
        known = self.completed | set(numbers)
        if known:
            self.status["completedIndexes"] = shown_indexes(known)
            self.status["succeeded"] = len(known)

    @property
    def completed(self) -> set[int]:
        """The indexes that have succeeded."""
        return self._known("completedIndexes")

    def _known(self, key: str) -> set[int]:
        """The indexes that the status names; those beyond the end don't count any more."""
        end = self._job["spec"].get("completions") or 0
        return {each for each in indexes(self.status.get(key) or "") if each < end}

    @property
    def succeeded(self) -> int:
        return int(self.status.get("succeeded", 0)) + len(self._uncounted["succeeded"])

    @property
    def failed(self) -> int:
        kept = sum(verdict(self._job, pod).counts for pod in self.waiting.values())
        return int(self.status.get("failed", 0)) + len(self._uncounted["failed"]) + kept

    def count(self, pods: list[Obj], active: list[Obj]) -> None:
        """Those that are there."""
        self.status["ready"] = sum(map(is_ready, active))
        self.status["terminating"] = sum(map(is_leaving, pods))
        if job_indexes.has_limit(self._job):
            self.status["failedIndexes"] = shown_indexes(self.failed_indexes)
        self.status.pop("active", None)
        if active:
            self.status["active"] = len(active)
        self.status["uncountedTerminatedPods"] = {key: each for key, each in self._uncounted.items() if each}

    @property
    def is_settled(self) -> bool:
        """Whether nobody is left to be counted or to leave."""
        waiting = (self.status.get("active"), self.status["terminating"], *self._uncounted.values())
        return not any(waiting) and not any(map(is_tracked, self.pods))

    def decide(self, goal: Obj) -> None:
        """Add what was decided, once."""
        if not any(each["type"] == goal["type"] for each in self.status.get("conditions") or ()):
            self.status.setdefault("conditions", []).append(goal)

    def turn(self, told: Obj) -> bool:
        """Bring a condition to what *told* says; whether it said something else before.

        One that is false need not be there.
        """
        known: list[Obj] = self.status.get("conditions") or []
        before = next((each for each in known if each["type"] == told["type"]), None)
        if (before["status"] if before else "False") == told["status"]:
            return False
        self.status["conditions"] = [each for each in known if each is not before] + [told]
        return True
