"""Job → pods, until enough have succeeded or too many have failed.

The rules of ``pkg/controller/job`` in Kubernetes. A reconcile is one step: what it changes brings the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from labkit.embedded.controllers import job_indexes
from labkit.embedded.controllers.job_pods import (
    ended_at,
    failures,
    index_of,
    is_active,
    is_leaving,
    is_tracked,
    new_pod,
    restarts,
    seconds_until,
    untracked,
)
from labkit.embedded.controllers.job_policies import why_failed, why_succeeded
from labkit.embedded.controllers.job_status import GOALS, Tally, condition, finished, made
from labkit.embedded.controllers.ownership import claim, keys_of
from labkit.embedded.controllers.replicasets import deletion_rank
from labkit.embedded.controllers.runtime import Key
from labkit.embedded.events import Recorder
from labkit.embedded.interfaces import Client, WatchEvent
from labkit.embedded.objects import (
    Obj,
    controller_of,
    is_terminating,
    mutable,
    name_of,
    namespace_of,
    timestamp,
    uid_of,
)
from labkit.embedded.status import ApiError

JOBS = "jobs.batch"
_OURS = "kubernetes.io/job-controller"
_FIRST_PAUSE, _LONGEST_PAUSE = 10.0, 600.0  # seconds after a failure, doubled by each that follows
_REACHED = ("SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods")


class Jobs:
    """Brings each Job to its end."""

    resources = (JOBS, "pods")

    def __init__(self, client: Client) -> None:
        self._client = client
        self._events = Recorder(client, "job-controller")

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The Job, or the one that owns the pod (or might adopt it)."""
        return keys_of(self._client, event, JOBS, "Job")

    def reconcile(self, key: Key) -> float | None:
        """Count who is over, make or delete pods, write the status."""
        job = self._client.find(JOBS, key[1], key[0])
        if job is None or finished(job) or job["spec"].get("managedBy", _OURS) != _OURS:
            return None
        tally = Tally(job, claim(self._client, "pods", job))
        goal = self._goal_before(job) or self._failure(job, tally)
        taken = tally.take(is_failing=bool(goal and goal["type"] == "FailureTarget"), is_over=bool(goal))
        goal = goal or self._failure(job, tally) or self._success_by_policy(job, tally)
        again, trouble = self._act(job, tally, goal)
        goal = goal or self._success(job, tally)
        self._write(job, tally, goal)
        for pod in taken:
            self._client.update("pods", untracked(pod))
        if trouble:
            raise trouble
        return again

    def _goal_before(self, job: Obj) -> Obj | None:
        return condition(job, "SuccessCriteriaMet") or condition(job, "FailureTarget")

    def _failure(self, job: Obj, tally: Tally) -> Obj | None:
        """Why the job has failed, if it has."""
        if why := why_failed(job, tally.pods):
            return made("FailureTarget", "PodFailurePolicy", why)
        spec, limit = job["spec"], job["spec"]["backoffLimit"]
        again = restarts(tally.pods) if _restarts_in_place(spec) else 0
        if tally.failed > limit or (again > 0 and again >= limit):
            return made(
                "FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
            )
        left = self._time_left(job)
        if left is not None and left <= 0:
            return made("FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline")
        return self._failure_of_indexes(job, tally)

    def _failure_of_indexes(self, job: Obj, tally: Tally) -> Obj | None:
        failed, most = len(tally.failed_indexes), job["spec"].get("maxFailedIndexes")
        if job_indexes.has_limit(job) and most is not None and failed > most:
            message = "Job has exceeded the specified maximal number of failed indexes"
            return made("FailureTarget", "MaxFailedIndexesExceeded", message)
        if failed and failed + len(tally.completed) >= job["spec"]["completions"]:
            return made("FailureTarget", "FailedIndexes", "Job has failed indexes")
        return None

    def _success_by_policy(self, job: Obj, tally: Tally) -> Obj | None:
        why = why_succeeded(job, tally.completed) if tally.is_indexed else ""
        return made("SuccessCriteriaMet", "SuccessPolicy", why) if why else None

    def _time_left(self, job: Obj) -> float | None:
        deadline, start = job["spec"].get("activeDeadlineSeconds"), job["status"].get("startTime")
        if deadline is None or start is None or job["spec"].get("suspend"):
            return None
        return seconds_until(start, deadline)

    def _success(self, job: Obj, tally: Tally) -> Obj | None:
        if any(map(is_active, self._pods(job))):
            return None
        wanted = job["spec"].get("completions")
        enough = tally.succeeded > 0 if wanted is None else tally.succeeded >= wanted
        return made(*_REACHED) if enough else None

    def _act(self, job: Obj, tally: Tally, goal: Obj | None) -> tuple[float | None, ApiError | None]:
        """Make or delete pods; when to look again, and what went wrong."""
        suspended = bool(job["spec"].get("suspend"))
        if not suspended:
            tally.status.setdefault("startTime", timestamp())
        if goal or suspended:
            self._delete(job, [pod for pod in tally.pods if is_active(pod)])
        if goal or is_terminating(job):
            return None, None
        again, trouble = (None, None) if suspended else self._scale(job, tally)
        self._tell_of_suspension(job, tally, suspended)
        waits = [
            each for each in (again, self._time_left({**job, "status": tally.status})) if each is not None
        ]
        return min(waits, default=None), trouble

    def _tell_of_suspension(self, job: Obj, tally: Tally, suspended: bool) -> None:
        word = "suspended" if suspended else "resumed"
        told = made("Suspended", f"Job{word.capitalize()}", f"Job {word}", str(suspended))
        if self._success(job, tally) or not tally.turn(told):
            return
        self._events.event(job, "Normal", word.capitalize(), f"Job {word}")
        if not suspended:
            tally.status["startTime"] = timestamp()

    def _scale(self, job: Obj, tally: Tally) -> tuple[float | None, ApiError | None]:
        active = [pod for pod in tally.pods if is_active(pod)]
        wanted = _wanted(job, tally, len(active))
        surplus = _surplus(job, tally, active, wanted)
        if surplus:
            self._delete(job, surplus)
            return None, None
        leaving = sum(map(is_leaving, tally.pods)) if _replaces_only_failed(job) else 0
        missing = wanted - len(active) - leaving
        if missing <= 0:
            return None, None
        left = 0.0 if job_indexes.has_limit(job) else _pause_after(failures(tally.pods, job))
        if left > 0:
            return left, None
        return self._fill(job, tally, _places(job, tally, active, missing))

    def _fill(
        self, job: Obj, tally: Tally, places: Sequence[int | None]
    ) -> tuple[float | None, ApiError | None]:
        """Make the pods whose time has come; when to look again where none's has, and what went wrong."""
        pauses = {place: _pause_of(tally.waiting.get(place)) for place in places if place is not None}
        now = [place for place in places if pauses.get(place or 0, 0.0) <= 0]
        if not now:
            return min(pauses.values(), default=None), None
        return None, self._create(job, now, tally.waiting)

    def _create(self, job: Obj, places: Sequence[int | None], failed: Mapping[int, Obj]) -> ApiError | None:
        for place in places:
            told: dict[str, str] = {}
            if place is not None and job_indexes.has_limit(job):
                told = job_indexes.annotations_after(job, failed.get(place))
            try:
                pod = self._client.create("pods", new_pod(job, place, told))
            except ApiError as error:
                self._events.event(job, "Warning", "FailedCreate", f"Error creating: {error}")
                return error
            self._events.event(job, "Normal", "SuccessfulCreate", f"Created pod: {name_of(pod)}")
        return None

    def _delete(self, job: Obj, pods: list[Obj]) -> None:
        for pod in pods:
            self._client.delete("pods", name_of(pod), namespace_of(pod))
            self._events.event(job, "Normal", "SuccessfulDelete", f"Deleted pod: {name_of(pod)}")

    def _pods(self, job: Obj) -> list[Obj]:
        found = self._client.list("pods", namespace_of(job))
        return [pod for pod in found if (controller_of(pod) or {}).get("uid") == uid_of(job)]

    def _write(self, job: Obj, tally: Tally, goal: Obj | None) -> None:
        pods = self._pods(job)
        tally.count(pods, [pod for pod in pods if is_active(pod)])
        if goal:
            tally.decide(goal)
        end = self._end(goal) if goal and tally.is_settled else None
        if end:
            tally.status["conditions"].append(end)
            if end["type"] == "Complete":
                tally.status["completionTime"] = end["lastTransitionTime"]
        if tally.status != job.get("status"):
            self._client.update_status(JOBS, {**mutable(job), "status": tally.status})
        if end:
            self._tell_end(job, end)

    def _end(self, goal: Obj) -> Obj:
        return made(GOALS[goal["type"]], goal["reason"], goal["message"])

    def _tell_end(self, job: Obj, end: Obj) -> None:
        if end["type"] == "Complete":
            self._events.event(job, "Normal", "Completed", "Job completed")
        else:
            self._events.event(job, "Warning", end["reason"], end["message"])


def _replaces_only_failed(job: Obj) -> bool:
    """Whether a pod that is being deleted must have ended before another takes its place."""
    return bool(job["spec"].get("podReplacementPolicy") == "Failed")


def _pause_after(failed: list[str]) -> float:
    """The seconds that are left to wait after failures at these times."""
    return _pause(len(failed), failed[-1]) if failed else 0.0


def _pause_of(failed: Obj | None) -> float:
    """The seconds that are left until *failed*, the last pod of its index, may be replaced."""
    return _pause(job_indexes.absolute(failed) + 1, ended_at(failed)) if failed else 0.0


def _pause(failures: int, last: str) -> float:
    return seconds_until(last, min(_FIRST_PAUSE * 2 ** min(failures - 1, 16), _LONGEST_PAUSE))


def _restarts_in_place(spec: Obj) -> bool:
    return bool(spec["template"]["spec"].get("restartPolicy") == "OnFailure")


def _wanted(job: Obj, tally: Tally, active: int) -> int:
    """How many pods are to be at work now."""
    parallelism: int = job["spec"]["parallelism"]
    completions: int | None = job["spec"].get("completions")
    if completions is None:
        return active if tally.succeeded else parallelism
    return max(min(completions - tally.succeeded, parallelism), 0)


def _surplus(job: Obj, tally: Tally, active: list[Obj], wanted: int) -> list[Obj]:
    """Who has to go: those whose index is done, taken or too high; then those that are missed least."""
    seen: set[int] = set(tally.completed)
    odd: list[Obj] = []
    if tally.is_indexed:
        for pod in active:
            place = index_of(pod)
            if place in seen or not 0 <= place < job["spec"]["completions"]:
                odd.append(pod)
            seen.add(place)
    rest = sorted((pod for pod in active if pod not in odd), key=deletion_rank)
    return odd + rest[: max(len(rest) - wanted, 0)]


def _places(job: Obj, tally: Tally, active: list[Obj], missing: int) -> Sequence[int | None]:
    """The indexes of the pods to make, or as many times none."""
    if not tally.is_indexed:
        return [None] * missing
    leaving = filter(is_leaving, tally.pods) if _replaces_only_failed(job) else ()
    taken = tally.completed | tally.failed_indexes | {index_of(pod) for pod in (*active, *leaving)}
    return [each for each in range(job["spec"]["completions"]) if each not in taken][:missing]


class OrphanedJobPods:
    """Lets pods go that nobody counts any more: their Job is gone, or not theirs."""

    resources = ("pods", JOBS)

    def __init__(self, client: Client) -> None:
        self._client = client

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """A pod that waits to be counted; those of a Job that is gone."""
        if event.resource == "pods":
            found = [event.object] if is_tracked(event.object) else []
        elif event.type == "DELETED":
            found = [pod for pod in self._client.list("pods", namespace_of(event.object)) if is_tracked(pod)]
        else:
            found = []
        return [(namespace_of(pod), name_of(pod)) for pod in found]

    def reconcile(self, key: Key) -> None:
        """Drop the finalizer."""
        pod = self._client.find("pods", key[1], key[0])
        if pod is None or not is_tracked(pod):
            return
        owner = controller_of(pod) or {"kind": "", "name": ""}
        job = self._client.find(JOBS, owner["name"], key[0]) if owner["kind"] == "Job" else None
        if job is None or uid_of(job) != owner["uid"] or finished(job):
            self._client.update("pods", untracked(pod))


class FinishedJobs:
    """Deletes a Job so many seconds after its end."""

    resources = (JOBS,)

    def __init__(self, client: Client) -> None:
        self._client = client

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The Job, if it has such a number."""
        wanted = event.object["spec"].get("ttlSecondsAfterFinished") is not None
        return [(namespace_of(event.object), name_of(event.object))] if wanted else []

    def reconcile(self, key: Key) -> float | None:
        """Delete it once its time is over."""
        job = self._client.find(JOBS, key[1], key[0])
        end = finished(job) if job else None
        if job is None or end is None or is_terminating(job):
            return None
        patience = job["spec"].get("ttlSecondsAfterFinished")
        if patience is None:
            return None
        left = seconds_until(end["lastTransitionTime"], patience)
        if left > 0:
            return left
        self._client.delete(JOBS, key[1], key[0], propagation="Foreground", uid=uid_of(job))
        return None
