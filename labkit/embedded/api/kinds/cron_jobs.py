"""CronJobs: a Job for each time of a schedule."""

from __future__ import annotations

import re

from labkit.embedded import schedules
from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, Row, wide
from labkit.embedded.api.kinds.common.durations import since
from labkit.embedded.api.kinds.common.fill import fill
from labkit.embedded.api.kinds.job_policies import default_failure_policy
from labkit.embedded.api.kinds.jobs import check_spec
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.kinds.pods import TEMPLATE
from labkit.embedded.api.kinds.pods.defaults import default_template
from labkit.embedded.api.kinds.workloads import format_selector
from labkit.embedded.api.types.resources import ResourceType, status_of
from labkit.embedded.objects import Obj, name_of
from labkit.embedded.store import Store

_POLICIES = ("Allow", "Forbid", "Replace")
_LONGEST_NAME = 52
_ZONE_PART = re.compile(r"[A-Za-z._0-9+-]{1,14}")


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    fill(
        spec, concurrencyPolicy="Allow", suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1
    )
    job = spec.setdefault("jobTemplate", {})
    job.setdefault("metadata", {})
    template = job.setdefault("spec", {}).setdefault("template", {})
    template.setdefault("metadata", {})
    default_template(job["spec"])
    default_failure_policy(job["spec"])


def _prepare_create(_: Store, obj: Obj) -> None:
    obj["status"] = {}


def _validate(causes: Causes, obj: Obj, old: Obj | None) -> None:
    spec, before = obj["spec"], (old or {}).get("spec", {})
    if not spec.get("schedule"):
        causes.required("spec.schedule")
    else:
        _check_schedule(causes, spec, "TZ" in before.get("schedule", ""))
    causes.not_negative("spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
    zone = spec.get("timeZone")
    if zone is not None and (old is None or zone != before.get("timeZone")):
        _check_zone(causes, zone)
    causes.one_of("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), _POLICIES)
    _check_template(causes, (spec.get("jobTemplate") or {}).get("spec") or {})
    for key in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        causes.not_negative(f"spec.{key}", spec.get(key))
    if old is None and len(name_of(obj)) > _LONGEST_NAME:
        causes.invalid("metadata.name", name_of(obj), f"must be no more than {_LONGEST_NAME} characters")


def _check_schedule(causes: Causes, spec: Obj, had_zone: bool) -> None:
    text = spec["schedule"]
    try:
        schedules.parse(text)
    except ValueError as error:
        causes.invalid("spec.schedule", text, str(error))
    if "TZ" not in text:
        return
    detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
    if not had_zone:
        causes.invalid("spec.schedule", text, detail)
    elif spec.get("timeZone") is not None:
        causes.invalid("spec.schedule", text, "cannot use both timeZone field and TZ or CRON_TZ in schedule")


def _check_zone(causes: Causes, zone: str) -> None:
    at, unknown = "spec.timeZone", f"unknown time zone {zone}"
    if not zone:
        causes.invalid(at, zone, "timeZone must be nil or non-empty string")
        return
    parts = zone.split("/")
    if any(each in (".", "..") or each.startswith("-") or not _ZONE_PART.fullmatch(each) for each in parts):
        causes.invalid(at, zone, unknown)
        return
    if zone.lower() == "local":
        detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        causes.invalid(at, zone, detail)
    try:
        schedules.zone_named(zone)
    except (KeyError, ValueError, OSError):
        causes.invalid(at, zone, unknown)


def _check_template(causes: Causes, spec: Obj) -> None:
    at = "spec.jobTemplate.spec"
    check_spec(causes, at, spec)
    if spec.get("selector") is not None:
        causes.invalid(f"{at}.selector", spec["selector"], "`selector` will be auto-generated")
    if spec.get("manualSelector"):
        causes.unsupported(f"{at}.manualSelector", True, ("nil", "false"))


def _warnings(obj: Obj, old: Obj | None) -> list[str]:
    problems = names.dns_label(name_of(obj)) if old is None else []
    used = "this is used in Pod names and hostnames, which can result in surprising behavior"
    return [f"metadata.name: {used}; a DNS label is recommended: [{' '.join(problems)}]"] if problems else []


def _of_containers(key: str) -> Column:
    def cell(row: Row) -> str:
        spec = ((_job(row).get("template") or {}).get("spec") or {}).get("containers") or []
        return ",".join(each.get(key, "") for each in spec)

    return wide({"name": "Containers", "image": "Images"}[key], cell)


def _job(row: Row) -> Obj:
    found: Obj = (row.spec.get("jobTemplate") or {}).get("spec") or {}
    return found


def _last(row: Row) -> str:
    moment = row.status.get("lastScheduleTime")
    return since(moment, row.now) if moment else "<none>"


CRON_JOB = Kind(
    ResourceType(
        "batch",
        ("v1",),
        "CronJob",
        "cronjobs",
        "cronjob",
        short_names=("cj",),
        categories=("all",),
        subresources=(status_of("CronJob"),),
    ),
    columns=(
        NAME,
        Column("Schedule", lambda row: row.spec.get("schedule", "")),
        Column("Timezone", lambda row: row.spec.get("timeZone", "<none>")),
        Column("Suspend", lambda row: "True" if row.spec.get("suspend") else "False", "boolean"),
        Column("Active", lambda row: len(row.status.get("active") or ()), "integer"),
        Column("Last Schedule", _last),
        AGE,
        _of_containers("name"),
        _of_containers("image"),
        wide("Selector", lambda row: format_selector(_job(row)) or "<none>"),
    ),
    default=_default,
    zero={"spec": {"jobTemplate": {"metadata": {}, "spec": {"template": TEMPLATE}}}, "status": {}},
    prepare_create=_prepare_create,
    validate=_validate,
    warnings=_warnings,
)
