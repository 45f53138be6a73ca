"""Jobs: pods that are to come to an end, so many of them, with so many failures allowed."""

from __future__ import annotations

import datetime as dt

from labkit.embedded.api.kinds.common import meta, names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, Row, wide
from labkit.embedded.api.kinds.common.durations import human_duration, parse_time
from labkit.embedded.api.kinds.common.fill import fill
from labkit.embedded.api.kinds.job_policies import (
    check_failure_policy,
    check_success_policy,
    default_failure_policy,
)
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.kinds.pods import TEMPLATE
from labkit.embedded.api.kinds.pods.defaults import default_template
from labkit.embedded.api.kinds.pods.validation import template
from labkit.embedded.api.kinds.workloads import TEMPLATE_COLUMNS, format_selector
from labkit.embedded.api.types.resources import ResourceType, status_of
from labkit.embedded.objects import Obj, condition_of, name_of, uid_of
from labkit.embedded.store import Store

NON_INDEXED, INDEXED = "NonIndexed", "Indexed"
_RESTARTS = ("OnFailure", "Never")
_REPLACEMENTS = ("Failed", "TerminatingOrFailed")
_COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_MOST_AT_ONCE = 100_000
_UNLIMITED = 2**31 - 1
_FIXED = ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")
_OF_A_SUSPENDED = ("nodeSelector", "tolerations", "schedulingGates")
"""What may change in the template of a job that never started, beside its labels and annotations."""


def _default(job: Obj) -> None:
    spec = job.setdefault("spec", {})
    default_template(spec)
    default_failure_policy(spec)
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    limit = 6 if spec.get("backoffLimitPerIndex") is None else _UNLIMITED
    replaced = "Failed" if spec.get("podFailurePolicy") is not None else "TerminatingOrFailed"
    fill(spec, parallelism=1, backoffLimit=limit, completionMode=NON_INDEXED, suspend=False)
    fill(spec, podReplacementPolicy=replaced, manualSelector=False)
    labels = _template_labels(spec)
    if labels and not job["metadata"].get("labels"):
        job["metadata"]["labels"] = dict(labels)


def _template_labels(spec: Obj) -> dict[str, str]:
    found: dict[str, str] = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    return found


def own_labels(job: Obj) -> dict[str, str]:
    """What the pods of *job* are known by."""
    mine = {"controller-uid": uid_of(job), "job-name": name_of(job)}
    return {f"{prefix}{key}": value for prefix in ("batch.kubernetes.io/", "") for key, value in mine.items()}


def _prepare_create(_: Store, job: Obj) -> None:
    job["status"] = {}
    spec = job["spec"]
    if not spec["manualSelector"]:
        _select_own(job)


def _select_own(job: Obj) -> None:
    """Give the pods labels nobody else's have, and select them."""
    spec, own, given = job["spec"], own_labels(job), _template_labels(job["spec"])
    labels = {**own, **given}
    spec.setdefault("template", {}).setdefault("metadata", {})["labels"] = labels
    if not job["metadata"].get("labels") or job["metadata"]["labels"] == given:
        job["metadata"]["labels"] = dict(labels)
    uid = "batch.kubernetes.io/controller-uid"
    selector = spec.setdefault("selector", {})
    selector["matchLabels"] = {uid: own[uid], **(selector.get("matchLabels") or {})}


def _validate(causes: Causes, job: Obj, old: Obj | None) -> None:
    spec = job["spec"]
    _check_own_labels(causes, job)
    _check_selected(causes, spec)
    _check_index_names(causes, job)
    if old is not None:
        _check_selected(causes, spec)  # the real server, too, says it twice
        _check_change(causes, spec, old)


def _check_own_labels(causes: Causes, job: Obj) -> None:
    spec = job["spec"]
    if spec.get("manualSelector") or spec.get("selector") is None:
        return
    found, own = _template_labels(spec), own_labels(job)
    for key in sorted(own, key=lambda key: ("/" in key, "uid" not in key)):
        at, detail = f"spec.template.metadata.labels[{key}]", f"must be '{own[key]}'"
        if key not in found:
            causes.required(at, detail)
        elif found[key] != own[key]:
            causes.invalid(at, found, detail)
    if not meta.matches(spec["selector"], own):
        causes.invalid("spec.selector", spec["selector"], "`selector` not auto-generated")


def _check_selected(causes: Causes, spec: Obj) -> None:
    check_spec(causes, "spec", spec)
    wanted = spec.get("selector")
    if wanted is None:
        causes.required("spec.selector")
    else:
        meta.selector(causes, "spec.selector", wanted)
    labels = _template_labels(spec)
    if wanted is None or not meta.matches(wanted, labels):
        detail = "`selector` does not match template `labels`"
        causes.invalid("spec.template.metadata.labels", labels or None, detail)


def check_spec(causes: Causes, at: str, spec: Obj) -> None:
    """A ``JobSpec``, of a Job or of a CronJob's template, but for its selector."""
    for key in _COUNTS:
        causes.not_negative(f"{at}.{key}", spec.get(key))
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        causes.required(f"{at}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    _check_mode(causes, at, spec)
    check_failure_policy(causes, f"{at}.podFailurePolicy", spec)
    if spec.get("completionMode") == INDEXED:
        check_success_policy(causes, f"{at}.successPolicy", spec)
    replaced = spec.get("podReplacementPolicy")
    allowed = _REPLACEMENTS[:1] if spec.get("podFailurePolicy") is not None else _REPLACEMENTS
    if replaced is not None and replaced not in allowed:
        causes.unsupported(f"{at}.podReplacementPolicy", replaced, allowed)
    template(causes, f"{at}.template", spec.get("template") or {})
    _check_restarts(causes, f"{at}.template.spec.restartPolicy", spec)


def _check_mode(causes: Causes, at: str, spec: Obj) -> None:
    mode = spec.get("completionMode", NON_INDEXED)
    if mode not in (NON_INDEXED, INDEXED):
        causes.unsupported(f"{at}.completionMode", mode, (NON_INDEXED, INDEXED))
    elif mode == INDEXED:
        _check_indexed(causes, at, spec)
    else:
        for key in ("backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"):
            if spec.get(key) is not None:
                causes.invalid(f"{at}.{key}", spec[key], "requires indexed completion mode")


def _check_indexed(causes: Causes, at: str, spec: Obj) -> None:
    completions, failed = spec.get("completions"), spec.get("maxFailedIndexes")
    if completions is None:
        causes.required(f"{at}.completions", "when completion mode is Indexed")
    if spec.get("parallelism", 1) > _MOST_AT_ONCE:
        detail = f"must be less than or equal to {_MOST_AT_ONCE} when completion mode is Indexed"
        causes.invalid(f"{at}.parallelism", spec["parallelism"], detail)
    if completions is not None and failed is not None and failed > completions:
        causes.invalid(f"{at}.maxFailedIndexes", failed, "must be less than or equal to completions")


def _check_restarts(causes: Causes, at: str, spec: Obj) -> None:
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy", "")
    if policy in ("", "Always"):
        causes.required(at, 'valid values: "OnFailure", "Never"')
    elif policy not in _RESTARTS:
        causes.unsupported(at, policy, _RESTARTS)
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        causes.invalid(at, policy, 'only "Never" is supported when podFailurePolicy is specified')


def _check_index_names(causes: Causes, job: Obj) -> None:
    completions = job["spec"].get("completions")
    if job["spec"].get("completionMode") == INDEXED and completions and completions > 0:
        last = f"{name_of(job)}-{completions - 1}"
        if names.dns_label(last):
            detail = f"will not able to create pod with invalid DNS label: {last}"
            causes.invalid("metadata.name", name_of(job), detail)


def _check_change(causes: Causes, spec: Obj, old: Obj) -> None:
    before = old["spec"]
    completions = spec.get("completions")
    if spec.get("completionMode") != INDEXED:
        causes.immutable("spec.completions", completions, before.get("completions"))
    elif completions not in (None, before.get("completions"), spec.get("parallelism")):
        detail = "can only be modified in tandem with spec.parallelism"
        causes.invalid("spec.completions", completions, detail)
    causes.immutable("spec.selector", spec.get("selector"), before.get("selector"))
    causes.immutable("spec.template", spec.get("template"), _template_then(spec, old))
    for key in _FIXED:
        causes.immutable(f"spec.{key}", spec.get(key), before.get(key))


def _template_then(spec: Obj, old: Obj) -> Obj:
    """The old template; of a job that was suspended from the start, with what may change as it is now."""
    before: Obj = old["spec"].get("template") or {}
    now: Obj = spec.get("template") or {}
    if not old["spec"].get("suspend") or (old.get("status") or {}).get("startTime"):
        return before
    kept = {key: each for key, each in before["spec"].items() if key not in _OF_A_SUSPENDED}
    given = {key: now["spec"][key] for key in _OF_A_SUSPENDED if key in now["spec"]}
    return {**before, "metadata": now.get("metadata", {}), "spec": {**kept, **given}}


def _warnings(job: Obj, _old: Obj | None) -> list[str]:
    problems = names.dns_label(name_of(job))
    used = "this is used in Pod names and hostnames, which can result in surprising behavior"
    return [f"metadata.name: {used}; a DNS label is recommended: [{' '.join(problems)}]"] if problems else []


class JobRow(Row):
    """A job, as its columns see it."""

    @property
    def phase(self) -> str:
        """Its conditions and its deletion in one word."""
        for kind, word in (("Complete", "Complete"), ("Failed", "Failed")):
            if self._is(kind):
                return word
        if self.meta.get("deletionTimestamp"):
            return "Terminating"
        others = (("Suspended", "Suspended"), ("FailureTarget",) * 2, ("SuccessCriteriaMet",) * 2)
        return next((word for kind, word in others if self._is(kind)), "Running")

    def _is(self, kind: str) -> bool:
        return (condition_of(self.obj, kind) or {}).get("status") == "True"

    @property
    def completions(self) -> str:
        succeeded, parallelism = self.status.get("succeeded", 0), self.spec.get("parallelism", 0)
        if self.spec.get("completions") is not None:
            return f"{succeeded}/{self.spec['completions']}"
        return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"

    @property
    def duration(self) -> str:
        start = parse_time(self.status.get("startTime", ""))
        end: dt.datetime = parse_time(self.status.get("completionTime", "")) or self.now
        return human_duration((end - start).total_seconds()) if start else ""


JOB = Kind(
    ResourceType(
        "batch",
        ("v1",),
        "Job",
        "jobs",
        "job",
        categories=("all",),
        subresources=(status_of("Job"),),
    ),
    columns=(
        NAME,
        Column("Status", lambda row: row.phase),
        Column("Completions", lambda row: row.completions),
        Column("Duration", lambda row: row.duration),
        AGE,
        *TEMPLATE_COLUMNS,
        wide("Selector", lambda row: format_selector(row.spec) or "<none>"),
    ),
    row=JobRow,
    default=_default,
    zero={"spec": {"template": TEMPLATE}, "status": {}},
    prepare_create=_prepare_create,
    validate=_validate,
    warnings=_warnings,
    fields=("status.successful",),
    orphans=True,
)
