"""Deployments, ReplicaSets and their scale."""

from __future__ import annotations

from labkit.embedded.api.kinds.validation import names
from labkit.embedded.api.kinds.validation.causes import Causes
from labkit.embedded.api.kinds.validation.meta import matches, selector
from labkit.embedded.api.kinds.validation.pods import template
from labkit.embedded.objects import Obj


def deployment(causes: Causes, obj: Obj, old: Obj | None) -> None:
    spec = obj.get("spec") or {}
    _workload(causes, spec)
    _strategy(causes, spec.get("strategy") or {})
    for key in ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        causes.not_negative(f"spec.{key}", spec.get(key))
    deadline, ready = spec.get("progressDeadlineSeconds"), spec.get("minReadySeconds", 0)
    if deadline is not None and deadline <= ready:
        causes.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")
    _selector_stays(causes, spec, old)


def replica_set(causes: Causes, obj: Obj, old: Obj | None) -> None:
    spec = obj.get("spec") or {}
    _workload(causes, spec)
    causes.not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    _selector_stays(causes, spec, old)


def _selector_stays(causes: Causes, spec: Obj, old: Obj | None) -> None:
    if old is not None:
        causes.immutable("spec.selector", spec.get("selector"), old.get("spec", {}).get("selector"))


def _workload(causes: Causes, spec: Obj) -> None:
    """Replicas, selector and template, which must fit together."""
    causes.not_negative("spec.replicas", spec.get("replicas"))
    wanted, pod = spec.get("selector"), spec.get("template") or {}
    if wanted is None:
        causes.required("spec.selector")
    else:
        selector(causes, "spec.selector", wanted)
        if not wanted.get("matchLabels") and not wanted.get("matchExpressions"):
            causes.invalid("spec.selector", wanted, "empty selector is invalid for deployment")
    labels = (pod.get("metadata") or {}).get("labels") or {}
    if wanted is None or not matches(wanted, labels):
        detail = "`selector` does not match template `labels`"
        causes.invalid("spec.template.metadata.labels", labels, detail)
    template(causes, "spec.template", pod)
    policy = (pod.get("spec") or {}).get("restartPolicy", "Always")
    if policy != "Always":
        causes.unsupported("spec.template.spec.restartPolicy", policy, ["Always"])
    if (pod.get("spec") or {}).get("activeDeadlineSeconds") is not None:
        detail = "activeDeadlineSeconds in ReplicaSet is not Supported"
        causes.forbidden("spec.template.spec.activeDeadlineSeconds", detail)


def _strategy(causes: Causes, strategy: Obj) -> None:
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "Recreate" and rolling is not None:
        detail = "may not be specified when strategy `type` is 'Recreate'"
        causes.forbidden("spec.strategy.rollingUpdate", detail)
    elif kind == "RollingUpdate":
        _rolling_update(causes, "spec.strategy.rollingUpdate", rolling or {})
    elif kind != "Recreate":
        causes.unsupported("spec.strategy", strategy, ("Recreate", "RollingUpdate"))


def _rolling_update(causes: Causes, field: str, rolling: Obj) -> None:
    for key in ("maxUnavailable", "maxSurge"):
        value = rolling.get(key, 0)
        if isinstance(value, str):
            causes.invalid_each(f"{field}.{key}", value, names.percent(value))
        else:
            causes.not_negative(f"{field}.{key}", value)
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    if _number(unavailable) == 0 and _number(surge) == 0:
        causes.invalid(f"{field}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
    if isinstance(unavailable, str) and _number(unavailable) > 100:
        causes.invalid(f"{field}.maxUnavailable", unavailable, "must not be greater than 100%")


def _number(value: int | str) -> int:
    if isinstance(value, int):
        return value
    return int(value[:-1]) if not names.percent(value) else 0


def scale(causes: Causes, obj: Obj, _old: Obj | None) -> None:
    """``autoscaling/v1`` Scale."""
    causes.not_negative("spec.replicas", (obj.get("spec") or {}).get("replicas"))
