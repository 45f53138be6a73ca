"""What a Job's ``podFailurePolicy`` says of a pod that failed, and its ``successPolicy`` of indexes done.

The rules of ``pkg/controller/job`` in Kubernetes: ``pod_failure_policy.go``, ``success_policy.go``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from labkit.embedded.controllers.job_pods import has_failed, indexes
from labkit.embedded.objects import Obj, name_of, namespace_of


@dataclass(frozen=True)
class Verdict:
    """What is to become of a failure."""

    action: str = ""
    """``Count``, ``FailIndex``, ``FailJob`` or ``Ignore``; empty where no rule is about it."""
    message: str = ""
    """Why the whole Job fails by it, where it does."""

    @property
    def counts(self) -> bool:
        """Whether it is one of those that ``backoffLimit`` limits."""
        return self.action != "Ignore"


def verdict(job: Obj, pod: Obj) -> Verdict:
    """By the first rule of *job* that is about *pod*, which failed."""
    rules = (job["spec"].get("podFailurePolicy") or {}).get("rules") or []
    for number, rule in enumerate(rules):
        if about := _matching(rule, pod):
            action: str = rule["action"]
            message = f"{about} matching {action} rule at index {number}" if action == "FailJob" else ""
            return Verdict(action, message)
    return Verdict()


def _matching(rule: Obj, pod: Obj) -> str:
    """What of *pod* the rule is about, in words; empty where nothing is."""
    whose = f"{namespace_of(pod)}/{name_of(pod)}"
    if wanted := rule.get("onExitCodes"):
        found = _container(pod, wanted)
        if found is None:
            return ""
        code = found["state"]["terminated"]["exitCode"]
        return f"Container {found['name']} for pod {whose} failed with exit code {code}"
    kind = _condition(pod, rule.get("onPodConditions") or [])
    return f"Pod {whose} has condition {kind}" if kind else ""


def _container(pod: Obj, wanted: Obj) -> Obj | None:
    """The status of the first container that ended as *wanted*."""
    status: Obj = pod.get("status") or {}
    known = [each for key in ("containerStatuses", "initContainerStatuses") for each in status.get(key) or ()]
    name = wanted.get("containerName")
    return next((each for each in known if name in (None, each["name"]) and _ended_so(each, wanted)), None)


def _ended_so(status: Obj, wanted: Obj) -> bool:
    code = ((status.get("state") or {}).get("terminated") or {}).get("exitCode", 0)
    return bool(code) and (code in wanted["values"]) is (wanted["operator"] == "In")


def _condition(pod: Obj, patterns: list[Obj]) -> str:
    """The type of the first of the pod's conditions that one of *patterns* names."""
    named = {(each["type"], each["status"]) for each in patterns}
    known = (pod.get("status") or {}).get("conditions") or []
    return next((str(each["type"]) for each in known if (each["type"], each["status"]) in named), "")


def why_failed(job: Obj, pods: Iterable[Obj]) -> str:
    """Why *job* fails as a whole, by one of *pods*; empty where it does not."""
    if job["spec"].get("podFailurePolicy") is None:
        return ""
    found = (verdict(job, pod).message for pod in pods if has_failed(pod, job))
    return next(filter(None, found), "")


def why_succeeded(job: Obj, completed: set[int]) -> str:
    """Why *job* has succeeded, though indexes may be missing; empty where it has not."""
    rules = (job["spec"].get("successPolicy") or {}).get("rules") or []
    met = (number for number, rule in enumerate(rules) if completed and _is_met(job, rule, completed))
    return next((f"Matched rules at index {number}" for number in met), "")


def _is_met(job: Obj, rule: Obj, completed: set[int]) -> bool:
    enough: int | None = rule.get("succeededCount")
    if rule.get("succeededIndexes") is None:
        return enough is not None and len(completed) >= enough
    wanted = {each for each in indexes(rule["succeededIndexes"]) if each < job["spec"]["completions"]}
    done = len(wanted & completed)
    return bool(wanted) and (done == len(wanted) or (enough is not None and done >= enough))
