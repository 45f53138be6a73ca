"""CronJob → a Job for each time of its schedule. The rules of ``pkg/controller/cronjob`` in Kubernetes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from labkit.embedded import schedules
from labkit.embedded.controllers.job_status import condition, finished
from labkit.embedded.controllers.jobs import JOBS
from labkit.embedded.controllers.ownership import keys_of, reference
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

CRON_JOBS = "cronjobs.batch"
_SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_MANY = 100  # missed times, from which on it is told
_TOO_MANY = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
_MARGIN = 0.1  # seconds after the time


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class CronJobs:
    """Makes Jobs, and forgets the oldest of those that are over."""

    resources = (CRON_JOBS, JOBS)

    def __init__(self, client: Client) -> None:
        self._client = client
        self._events = Recorder(client, "cronjob-controller")

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The CronJob, or the one that made the Job."""
        return keys_of(self._client, event, CRON_JOBS, "CronJob")

    def reconcile(self, key: Key) -> float | None:
        """Look after the jobs there are; make the one that is due."""
        cron = self._client.find(CRON_JOBS, key[1], key[0])
        if cron is None:
            return None
        status = mutable(cron.get("status") or {})
        jobs = [job for job in self._client.list(JOBS, key[0]) if _is_of(job, cron)]
        self._forget(cron, jobs)
        self._look_after(cron, status, jobs)
        try:
            return None if is_terminating(cron) or cron["spec"].get("suspend") else self._start(cron, status)
        finally:
            if not status.get("active"):
                status.pop("active", None)
            if status != (cron.get("status") or {}):
                self._client.update_status(CRON_JOBS, {**mutable(cron), "status": status})

    def _forget(self, cron: Obj, jobs: list[Obj]) -> None:
        for kind, key in (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")):
            over = [job for job in jobs if condition(job, kind) and not is_terminating(job)]
            over.sort(key=lambda job: (job["status"].get("startTime", ""), name_of(job)))
            most = cron["spec"].get(key)
            for job in over[: len(over) - most] if most is not None and len(over) > most else ():
                self._delete(cron, job)

    def _delete(self, cron: Obj, job: Obj) -> None:
        self._client.delete(JOBS, name_of(job), namespace_of(job))
        self._events.event(cron, "Normal", "SuccessfulDelete", f"Deleted job {name_of(job)}")

    def _look_after(self, cron: Obj, status: Obj, jobs: list[Obj]) -> None:
        """Take off the list of the active who is over or gone."""
        there = {uid_of(job): job for job in jobs}
        active = status.get("active") or []
        for each in active:
            job = there.get(each["uid"])
            if job is None:
                self._events.event(cron, "Normal", "MissingJob", f"Active job went missing: {each['name']}")
            elif end := finished(job):
                message = f"Saw completed job: {each['name']}, condition: {end['type']}"
                self._events.event(cron, "Normal", "SawCompletedJob", message)
        status["active"] = [each for each in active if (job := there.get(each["uid"])) and not finished(job)]
        ends = [job["status"]["completionTime"] for job in jobs if condition(job, "Complete")]
        if ends:
            status["lastSuccessfulTime"] = max(*ends, status.get("lastSuccessfulTime", ""))

    def _start(self, cron: Obj, status: Obj) -> float | None:
        """Make what is due; seconds until the next time."""
        try:
            schedule = schedules.parse(cron["spec"]["schedule"], cron["spec"].get("timeZone") or "")
        except (ValueError, KeyError, OSError) as error:
            message = f'unparseable schedule: "{cron["spec"]["schedule"]}" : {error}'
            self._events.event(cron, "Warning", "UnparseableSchedule", message)
            return None
        now = _now()
        due = self._due(cron, status, schedule, now)
        if due is not None and self._may_start(cron, status, due, now):
            self._make(cron, status, due)
        following = schedule.next(max(now, due) if due else now)
        return (following - now).total_seconds() + _MARGIN if following else None

    def _due(
        self, cron: Obj, status: Obj, schedule: schedules.Schedule, now: dt.datetime
    ) -> dt.datetime | None:
        """The latest time that has passed since the last one; None where none has."""
        since = dt.datetime.fromisoformat(
            status.get("lastScheduleTime") or cron["metadata"]["creationTimestamp"]
        )
        deadline = cron["spec"].get("startingDeadlineSeconds")
        if deadline is not None:
            since = max(since, now - dt.timedelta(seconds=deadline))
        first = schedule.next(since)
        if first is None or first > now:
            return None
        second = schedule.next(first) or now + dt.timedelta(days=1)
        missed = int((now - first) / (second - first)) + 1
        if missed > _MANY:
            self._events.event(cron, "Warning", "TooManyMissedTimes", _TOO_MANY)
        latest, following = (
            first,
            schedule.next(first + (missed - 2) * (second - first)) if missed > 1 else None,
        )
        while following is not None and following <= now:
            latest, following = following, schedule.next(following)
        return latest

    def _may_start(self, cron: Obj, status: Obj, due: dt.datetime, now: dt.datetime) -> bool:
        deadline, policy = cron["spec"].get("startingDeadlineSeconds"), cron["spec"]["concurrencyPolicy"]
        if deadline is not None and due + dt.timedelta(seconds=deadline) < now:
            message = f"Missed scheduled time to start a job: {due:%a, %d %b %Y %H:%M:%S +0000}"
            self._events.event(cron, "Warning", "MissSchedule", message)
            return False
        if policy == "Forbid" and status["active"]:
            message = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self._events.event(cron, "Normal", "JobAlreadyActive", message)
            return False
        return True

    def _make(self, cron: Obj, status: Obj, due: dt.datetime) -> None:
        if cron["spec"]["concurrencyPolicy"] == "Replace":
            for each in status["active"]:
                self._delete(cron, {"metadata": {"namespace": namespace_of(cron), **each}})
            status["active"] = []
        try:
            job = self._client.create(JOBS, new_job(cron, due))
        except ApiError as error:
            if error.code == 409:
                job = self._client.get(JOBS, name_of(new_job(cron, due)), namespace_of(cron))
            else:
                self._events.event(cron, "Warning", "FailedCreate", f"Error creating job: {error}")
                raise
        else:
            self._events.event(cron, "Normal", "SuccessfulCreate", f"Created job {name_of(job)}")
        if _is_of(job, cron) and not finished(job):
            status["active"] = [*status["active"], _reference_to(job)]
        status["lastScheduleTime"] = timestamp(due)


def _is_of(job: Obj, cron: Obj) -> bool:
    return (controller_of(job) or {}).get("uid") == uid_of(cron)


def _reference_to(job: Obj) -> Obj:
    kept = {key: job["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")}
    return {"apiVersion": job["apiVersion"], "kind": job["kind"], **kept}


def new_job(cron: Obj, due: dt.datetime) -> Obj:
    """The Job of one time, not yet created: named by its minute, so that there is only one."""
    template = mutable(cron["spec"]["jobTemplate"])
    given = template.get("metadata") or {}
    zone = cron["spec"].get("timeZone")
    shown = due.astimezone(schedules.zone_named(zone)).isoformat() if zone else timestamp(due)
    metadata = {
        "name": f"{name_of(cron)}-{int(due.timestamp()) // 60}",
        "namespace": namespace_of(cron),
        "labels": given.get("labels") or {},
        "annotations": {**(given.get("annotations") or {}), _SCHEDULED: shown},
        "ownerReferences": [reference(cron)],
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}
