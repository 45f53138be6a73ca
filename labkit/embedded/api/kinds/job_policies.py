"""What a ``JobSpec`` says of failures (``podFailurePolicy``) and of success (``successPolicy``), checked.

The rules and words of ``pkg/apis/batch/validation`` in Kubernetes.
"""

from __future__ import annotations

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.types import golang
from labkit.embedded.objects import Obj

_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS = ("In", "NotIn")
_STATUSES = ("False", "True", "Unknown")
_MOST_RULES, _MOST_CODES = 20, 255
_LONGEST_INDEXES = 64 * 1024


def default_failure_policy(spec: Obj) -> None:
    """A condition that names no status is meant to be true."""
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or []:
        for pattern in rule.get("onPodConditions") or []:
            pattern.setdefault("status", "True")


def check_failure_policy(causes: Causes, at: str, spec: Obj) -> None:
    """``podFailurePolicy``, where there is one."""
    if spec.get("podFailurePolicy") is None:
        return
    rules = spec["podFailurePolicy"].get("rules") or []
    if len(rules) > _MOST_RULES:
        causes.too_many(f"{at}.rules", len(rules), _MOST_RULES)
    for number, rule in enumerate(rules):
        _check_failure_rule(causes, f"{at}.rules[{number}]", rule, spec)


def _check_failure_rule(causes: Causes, at: str, rule: Obj, spec: Obj) -> None:
    action = rule.get("action") or ""
    known = _is_one_of(causes, f"{at}.action", action, _ACTIONS)
    if known and action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        causes.invalid(f"{at}.action", action, "requires the backoffLimitPerIndex to be set")
    codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions")
    if codes is not None:
        _check_exit_codes(causes, f"{at}.onExitCodes", codes, spec)
    if conditions:
        _check_conditions(causes, f"{at}.onPodConditions", conditions)
    if codes is not None and conditions:
        causes.invalid_whole(at, "specifying both OnExitCodes and OnPodConditions is not supported")
    if codes is None and not conditions:
        causes.invalid_whole(at, "specifying one of OnExitCodes and OnPodConditions is required")


def _is_one_of(causes: Causes, at: str, value: str, allowed: tuple[str, ...]) -> bool:
    if not value:
        listed = " ".join(golang.quoted(each) for each in allowed)
        causes.required(at, f"valid values: [{listed}]")
    elif value not in allowed:
        causes.unsupported(at, value, allowed)
    return value in allowed


def _check_exit_codes(causes: Causes, at: str, given: Obj, spec: Obj) -> None:
    _is_one_of(causes, f"{at}.operator", given.get("operator") or "", _OPERATORS)
    pods: Obj = (spec.get("template") or {}).get("spec") or {}
    known = [each.get("name") for key in ("containers", "initContainers") for each in pods.get(key) or []]
    name = given.get("containerName")
    if name is not None and name not in known:
        detail = "must be one of the container or initContainer names in the pod template"
        causes.invalid(f"{at}.containerName", name, detail)
    values: list[int] = given.get("values") or []
    if not values:
        causes.invalid(f"{at}.values", given.get("values"), "at least one value is required")
    elif len(values) > _MOST_CODES:
        causes.too_many(f"{at}.values", len(values), _MOST_CODES)
    _check_codes(causes, f"{at}.values", values, is_in=given.get("operator") == "In")


def _check_codes(causes: Causes, at: str, values: list[int], *, is_in: bool) -> None:
    for number, value in enumerate(values):
        if is_in and value == 0:
            causes.invalid(f"{at}[{number}]", value, "must not be 0 for the In operator")
        if value in values[:number]:
            causes.duplicate(f"{at}[{number}]", value)
    if values != sorted(values):
        causes.invalid(at, values, "must be ordered")


def _check_conditions(causes: Causes, at: str, patterns: list[Obj]) -> None:
    if len(patterns) > _MOST_RULES:
        causes.too_many(at, len(patterns), _MOST_RULES)
    for number, pattern in enumerate(patterns):
        kind = pattern.get("type") or ""
        causes.invalid_each(f"{at}[{number}].type", kind, names.qualified_name(kind))
        _is_one_of(causes, f"{at}[{number}].status", pattern.get("status") or "", _STATUSES)


def check_success_policy(causes: Causes, at: str, spec: Obj) -> None:
    """``successPolicy``, where there is one, of a Job that has indexes."""
    if spec.get("successPolicy") is None:
        return
    rules = spec["successPolicy"].get("rules") or []
    if not rules:
        causes.required(
            f"{at}.rules", "at least one rules must be specified when the successPolicy is specified"
        )
    if len(rules) > _MOST_RULES:
        causes.too_many(f"{at}.rules", len(rules), _MOST_RULES)
    for number, rule in enumerate(rules):
        _check_success_rule(causes, f"{at}.rules[{number}]", rule, int(spec.get("completions") or 0))


def _check_success_rule(causes: Causes, at: str, rule: Obj, completions: int) -> None:
    count, indexes = rule.get("succeededCount"), rule.get("succeededIndexes")
    if count is None and indexes is None:
        causes.required(at, "at least one of succeededCount or succeededIndexes must be specified")
    named = 0
    if indexes is not None:
        named = _check_indexes(causes, f"{at}.succeededIndexes", indexes, completions)
    if count is not None:
        causes.not_negative(f"{at}.succeededCount", count)
        _check_at_most(causes, at, count, completions, "specified completions")
        if indexes is not None:
            _check_at_most(causes, at, count, named, "indexes in the specified succeededIndexes field")


def _check_at_most(causes: Causes, at: str, count: int, most: int, what: str) -> None:
    if count > most:
        detail = f"must be less than or equal to {most} (the number of {what})"
        causes.invalid(f"{at}.succeededCount", count, detail)


def _check_indexes(causes: Causes, at: str, text: str, completions: int) -> int:
    """How many indexes *text* names."""
    if len(text) > _LONGEST_INDEXES:
        causes.too_long(at, _LONGEST_INDEXES)
    try:
        return _count_indexes(text, completions)
    except ValueError as error:
        causes.invalid(at, text, f"error parsing succeededIndexes: {error}")
        return 0


def _count_indexes(text: str, completions: int) -> int:
    last, total = -1, 0
    for part in text.split(",") if text else ():
        first, end = _interval(part, completions)
        if total and last >= first:
            raise ValueError(f"non-increasing order, previous: {last}, current: {first}")
        last, total = end, total + end - first + 1
    return total


def _interval(part: str, completions: int) -> tuple[int, int]:
    ends = part.split("-")
    if len(ends) > 2:
        why = "violates the requirement that an index interval can have at most two parts separated by '-'"
        raise ValueError(f"the fragment {golang.quoted(part)} {why}")
    first, last = _index(ends[0], completions), _index(ends[-1], completions)
    if len(ends) == 2 and first >= last:
        raise ValueError(f"non-increasing order, previous: {first}, current: {last}")
    return first, last


def _index(text: str, completions: int) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"cannot convert string to integer for index: {golang.quoted(text)}")
    if int(text) >= completions:
        raise ValueError(f"too large index: {golang.quoted(text)}")
    return int(text)
