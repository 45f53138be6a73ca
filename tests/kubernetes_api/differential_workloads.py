"""Requests about Jobs and CronJobs, for a real API server and the embedded one."""

import copy
from typing import Any

from .differential_requests import CORE, MERGE, NS, TABLE, Request, _with

BATCH = f"/apis/batch/v1/namespaces/{NS}"
JOBS, CRON_JOBS = f"{BATCH}/jobs", f"{BATCH}/cronjobs"
_CONTAINER = {"name": "c", "image": "none.invalid/none:1"}
_POD = {"restartPolicy": "Never", "containers": [_CONTAINER]}
JOB: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "j"},
    "spec": {"suspend": True, "template": {"spec": _POD}},
}
CRON_JOB: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "CronJob",
    "metadata": {"name": "cj"},
    "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": {"spec": _POD}}}},
}
_IN_CRON = "spec.jobTemplate.spec"


def _job(name: str, path: str = "spec.suspend", value: Any = True) -> Request:
    return Request("POST", JOBS, _with(_with(JOB, "metadata.name", name), path, value))


def _spec(name: str, **spec: Any) -> Request:
    made = copy.deepcopy(JOB)
    made["metadata"]["name"] = name
    return Request("POST", JOBS, {**made, "spec": {**made["spec"], **spec}})


def _cron(name: str, path: str, value: Any) -> Request:
    return Request("POST", CRON_JOBS, _with(_with(CRON_JOB, "metadata.name", name), path, value))


def _changed(path: str, **spec: Any) -> Request:
    return Request("PATCH", path, {"spec": spec}, MERGE)


REQUESTS = {
    "job": Request("POST", JOBS, JOB),
    "job again": Request("POST", JOBS, JOB),
    "job as a table": Request("GET", JOBS, accept=TABLE),
    "job with labels": _job("jl", "spec.template.metadata", {"labels": {"a": "b"}}),
    "job with labels of its own": _job("jo", "metadata.labels", {"x": "y"}),
    "job of indexes": _spec("ji", completionMode="Indexed", completions=3, parallelism=2),
    "job that restarts for ever": _job("bad", "spec.template.spec.restartPolicy", "Always"),
    "job that restarts somehow": _job("bad", "spec.template.spec.restartPolicy", "Maybe"),
    "job without a policy": _job("bad", "spec.template.spec", {"containers": [_CONTAINER]}),
    "job of less than none": _spec("bad", completions=-1, parallelism=-1, backoffLimit=-1),
    "job of indexes without end": _spec("bad", completionMode="Indexed"),
    "job of a mode nobody knows": _spec("bad", completionMode="Some"),
    "job that picks": _spec("bad", selector={"matchLabels": {"a": "b"}}),
    "job by a selector of its own": _spec("jm", manualSelector=True, selector={"matchLabels": {"a": "b"}}),
    "job by no selector": _spec("bad", manualSelector=True),
    "job with another's label": _job("bad", "spec.template.metadata", {"labels": {"job-name": "x"}}),
    "job replaced as nobody does": _spec("bad", podReplacementPolicy="Never"),
    "job of failing indexes": _spec("bad", backoffLimitPerIndex=1, maxFailedIndexes=1),
    "job with dots": _job("a.b", "spec.suspend", True),
    "job with more to do": _changed(f"{JOBS}/j", completions=4),
    "job with more at once": _changed(f"{JOBS}/j", parallelism=3),
    "job of other indexes": _changed(f"{JOBS}/ji", completions=4),
    "job of other indexes in step": _changed(f"{JOBS}/ji", completions=4, parallelism=4),
    "job otherwise counted": _changed(f"{JOBS}/j", completionMode="Indexed"),
    "jobs by a field": Request("GET", f"{JOBS}?fieldSelector=status.successful=1"),
    "delete job": Request("DELETE", f"{JOBS}/j?propagationPolicy=Background"),
    "delete job, as it comes": Request("DELETE", f"{JOBS}/jl"),
    "cron job": Request("POST", CRON_JOBS, CRON_JOB),
    "cron jobs as a table": Request("GET", CRON_JOBS, accept=TABLE),
    "cron job of no fields": _cron("bad", "spec.schedule", "* *"),
    "cron job of too many minutes": _cron("bad", "spec.schedule", "61 * * * *"),
    "cron job without a schedule": _cron("bad", "spec.schedule", ""),
    "cron job by a name": _cron("cn", "spec.schedule", "@hourly"),
    "cron job by no name": _cron("bad", "spec.schedule", "@often"),
    "cron job with its zone inside": _cron("bad", "spec.schedule", "TZ=UTC 0 0 1 1 *"),
    "cron job in a zone": _cron("cz", "spec.timeZone", "Europe/Berlin"),
    "cron job in no zone": _cron("bad", "spec.timeZone", "Europe/Nowhere"),
    "cron job in an odd zone": _cron("bad", "spec.timeZone", "../UTC"),
    "cron job by no policy": _cron("bad", "spec.concurrencyPolicy", "Perhaps"),
    "cron job with a selector": _cron("bad", f"{_IN_CRON}.selector", {"matchLabels": {"a": "b"}}),
    "cron job that selects": _cron("bad", f"{_IN_CRON}.manualSelector", True),
    "cron job that restarts for ever": _cron("bad", f"{_IN_CRON}.template.spec.restartPolicy", "Always"),
    "cron job with a name too long": _cron("n" * 53, "spec.schedule", "@hourly"),
    "cron job of less than none": _cron("bad", "spec.failedJobsHistoryLimit", -1),
    "cron job paused": _changed(f"{CRON_JOBS}/cj", suspend=True),
    "delete cron job": Request("DELETE", f"{CRON_JOBS}/cj"),
    "pods of jobs": Request("GET", f"{CORE}/pods?labelSelector=job-name=j"),
}
