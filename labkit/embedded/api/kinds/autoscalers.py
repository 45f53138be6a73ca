"""HorizontalPodAutoscalers: how many pods, by what they use. Kept as ``autoscaling/v2``."""

from __future__ import annotations

from typing import Any

from labkit.embedded import scaling
from labkit.embedded.api.kinds import autoscalers_v1
from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, Row
from labkit.embedded.api.kinds.common.fill import fill
from labkit.embedded.api.kinds.common.references import kind_and_name
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType, status_of
from labkit.embedded.objects import Obj, mutable
from labkit.embedded.quantities import amount
from labkit.embedded.store import Store

_SOURCES = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
"""Type → the field that says more."""
_FIELDS = ("object", "external", "pods", "resource", "containerResource")
_SELECTIONS, _POLICIES = ("Disabled", "Max", "Min"), ("Percent", "Pods")
_LONGEST_WINDOW, _LONGEST_PERIOD = 3600, 1800
_SHOWN = 2
_NOT_HERE = ("Pods", "Object", "External")


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, minReplicas=1)
    if not spec.get("metrics"):
        spec["metrics"] = [autoscalers_v1.by_cpu(80)]
    behavior = spec.get("behavior")
    if behavior is not None:
        behavior["scaleUp"] = {**mutable(scaling.UP), **(behavior.get("scaleUp") or {})}
        behavior["scaleDown"] = {**mutable(scaling.DOWN), **(behavior.get("scaleDown") or {})}


def _prepare_create(_: Store, obj: Obj) -> None:
    obj["status"] = {"desiredReplicas": 0, "currentMetrics": None}


def _validate(causes: Causes, obj: Obj, old: Obj | None) -> None:
    spec = obj["spec"]
    least, most = spec["minReplicas"], spec.get("maxReplicas", 0)
    if least < 1:
        causes.invalid("spec.minReplicas", least, "must be greater than or equal to 1")
    if most < 1:
        causes.invalid("spec.maxReplicas", most, "must be greater than 0")
    if most < least:
        causes.invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    target = spec.get("scaleTargetRef") or {}
    _reference(causes, "spec.scaleTargetRef", target)
    is_core = "/" not in target.get("apiVersion", "")
    if is_core and old is None and target.get("kind") != "ReplicationController":
        detail = "apiVersion must specify API group"
        causes.invalid("spec.scaleTargetRef.apiVersion", target.get("apiVersion", ""), detail)
    for index, metric in enumerate(spec["metrics"]):
        _metric(causes, f"spec.metrics[{index}]", metric)
    if least == 0 and not any(each.get("type") in ("Object", "External") for each in spec["metrics"]):
        detail = "must specify at least one Object or External metric to support scaling to zero replicas"
        causes.forbidden("spec.metrics", detail)
    for key in ("scaleUp", "scaleDown"):
        rules = (spec.get("behavior") or {}).get(key)
        if rules is not None:
            _rules(causes, f"spec.behavior.{key}", rules)


def _reference(causes: Causes, at: str, reference: Obj) -> None:
    kind_and_name(causes, at, reference)
    version = reference.get("apiVersion", "")
    if version.count("/") > 1:
        detail = f"unexpected GroupVersion string: {version}"
        causes.invalid(f"{at}.apiVersion", version, detail)


def _metric(causes: Causes, at: str, metric: Obj) -> None:
    kind = metric.get("type", "")
    if not kind:
        causes.required(f"{at}.type", "must specify a metric source type")
    if kind not in _SOURCES:
        causes.unsupported(f"{at}.type", kind, _SOURCES)
    given = [key for key in _FIELDS if metric.get(key)]
    if given:
        _source(causes, f"{at}.{given[0]}", given[0], metric[given[0]])
    expected = _SOURCES.get(kind, "")
    if not expected:
        causes.unsupported(f"{at}.type", kind, _SOURCES)
    elif expected not in given:
        causes.required(f"{at}.{expected}", "must populate information for the given metric source")
    if len(given) != 1:
        for each in given:
            if each != expected:
                causes.forbidden(f"{at}.{each}", "must populate the given metric source only")


def _source(causes: Causes, at: str, kind: str, source: Obj) -> None:
    target = source.get("target") or {}
    if kind == "object":
        _reference(causes, f"{at}.describedObject", source.get("describedObject") or {})
    if kind in ("resource", "containerResource"):
        if not source.get("name"):
            causes.required(f"{at}.name", "must specify a resource name")
    else:
        _identifier(causes, f"{at}.metric", source.get("metric") or {})
    if kind == "containerResource":
        if source.get("container"):
            causes.invalid_each(f"{at}.container", source["container"], names.dns_label(source["container"]))
        else:
            causes.required(f"{at}.container", "must specify a container")
    _target(causes, f"{at}.target", target)
    _enough(causes, f"{at}.target", kind, target)


def _identifier(causes: Causes, at: str, metric: Obj) -> None:
    if metric.get("name"):
        causes.invalid_each(f"{at}.name", metric["name"], names.path_segment(metric["name"]))
    else:
        causes.required(f"{at}.name", "must specify a metric name")


def _target(causes: Causes, at: str, target: Obj) -> None:
    kind = target.get("type", "")
    if not kind:
        causes.required(f"{at}.type", "must specify a metric target type")
    if kind not in ("Utilization", "Value", "AverageValue"):
        causes.invalid(f"{at}.type", kind, "must be either Utilization, Value, or AverageValue")
    for key in ("value", "averageValue"):
        if target.get(key) is not None and amount(target[key]) <= 0:
            causes.invalid(f"{at}.{key}", target[key], "must be positive")
    utilization = target.get("averageUtilization")
    if utilization is not None and utilization < 1:
        causes.invalid(f"{at}.averageUtilization", utilization, "must be greater than 0")


def _enough(causes: Causes, at: str, kind: str, target: Obj) -> None:
    """Whether the target names what its source is measured by."""
    value, average = target.get("value") is not None, target.get("averageValue") is not None
    utilization = target.get("averageUtilization") is not None
    if kind in ("resource", "containerResource"):
        if not utilization and not average:
            detail = "must set either a target raw value or a target utilization"
            causes.required(f"{at}.averageUtilization", detail)
        elif utilization and average:
            detail = "may not set both a target raw value and a target utilization"
            causes.forbidden(f"{at}.averageValue", detail)
    elif kind == "pods":
        if not average:
            causes.required(f"{at}.averageValue", "must specify a positive target averageValue")
    elif not value and not average:
        what = "a target value or averageValue"
        what = what if kind == "object" else "a target value for metric or a per-pod target"
        causes.required(f"{at}.averageValue", f"must set either {what}")
    elif kind == "external" and value and average:
        detail = "may not set both a target value for metric and a per-pod target"
        causes.forbidden(f"{at}.value", detail)


def _rules(causes: Causes, at: str, rules: Obj) -> None:
    window = rules.get("stabilizationWindowSeconds")
    if window is not None and window < 0:
        causes.invalid(f"{at}.stabilizationWindowSeconds", window, "must be greater than or equal to zero")
    if window is not None and window > _LONGEST_WINDOW:
        detail = f"must be less than or equal to {_LONGEST_WINDOW}"
        causes.invalid(f"{at}.stabilizationWindowSeconds", window, detail)
    if rules.get("selectPolicy") not in (None, *_SELECTIONS):
        causes.unsupported(f"{at}.selectPolicy", rules["selectPolicy"], _SELECTIONS)
    if not rules.get("policies"):
        causes.required(f"{at}.policies", "must specify at least one Policy")
    for index, policy in enumerate(rules.get("policies") or ()):
        _policy(causes, f"{at}.policies[{index}]", policy)


def _policy(causes: Causes, at: str, policy: Obj) -> None:
    if policy.get("type") not in _POLICIES:
        causes.unsupported(f"{at}.type", policy.get("type", ""), _POLICIES)
    for key in ("value", "periodSeconds"):
        if policy.get(key, 0) <= 0:
            causes.invalid(f"{at}.{key}", policy.get(key, 0), "must be greater than zero")
    if policy.get("periodSeconds", 0) > _LONGEST_PERIOD:
        detail = f"must be less than or equal to {_LONGEST_PERIOD}"
        causes.invalid(f"{at}.periodSeconds", policy["periodSeconds"], detail)


def _warnings(obj: Obj, _old: Obj | None) -> list[str]:
    found = {each["type"] for each in obj["spec"]["metrics"]} & set(_NOT_HERE)
    return [
        f"spec.metrics: nobody serves metrics of type {kind} in this lab; cpu and memory are measured"
        for kind in sorted(found)
    ]


def _targets(row: Row) -> str:
    metrics: list[Obj] = row.spec.get("metrics") or []
    current: list[Obj] = row.status.get("currentMetrics") or []
    found = [_one_target(each, current[i] if i < len(current) else {}) for i, each in enumerate(metrics)]
    more = f" + {len(found) - _SHOWN} more..." if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more if found else "<none>"


def _one_target(metric: Obj, status: Obj) -> str:
    key = _SOURCES.get(metric.get("type", ""), "")
    source, target = metric.get(key) or {}, (metric.get(key) or {}).get("target") or {}
    now = (status.get(key) or {}).get("current") or {}
    named = f"{source.get('name')}: " if key in ("resource", "containerResource") else ""
    if named and target.get("averageValue") is None:
        wanted = target.get("averageUtilization")
        return f"{named}{_percent(now.get('averageUtilization'))}/{_percent(wanted, '<auto>')}"
    if target.get("averageValue") is not None:
        end = " (avg)" if key in ("object", "external") else ""
        return f"{named}{now.get('averageValue', '<unknown>')}/{target['averageValue']}{end}"
    return f"{now.get('value', '<unknown>')}/{target.get('value', '0')}"


def _percent(value: Any, otherwise: str = "<unknown>") -> str:
    return otherwise if value is None else f"{value}%"


def _of(row: Row) -> str:
    reference = row.spec.get("scaleTargetRef") or {}
    return f"{reference.get('kind')}/{reference.get('name')}"


AUTOSCALER = Kind(
    ResourceType(
        "autoscaling",
        ("v2", "v1"),
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        "horizontalpodautoscaler",
        short_names=("hpa",),
        categories=("all",),
        subresources=(status_of("HorizontalPodAutoscaler"),),
    ),
    columns=(
        NAME,
        Column("Reference", _of),
        Column("Targets", _targets),
        Column("MinPods", lambda row: str(row.spec.get("minReplicas", "<unset>"))),
        Column("MaxPods", lambda row: row.spec.get("maxReplicas", 0)),
        Column("Replicas", lambda row: row.status.get("currentReplicas", 0)),
        AGE,
    ),
    default=_default,
    zero={"spec": {"scaleTargetRef": {}}, "status": {}},
    prepare_create=_prepare_create,
    validate=_validate,
    warnings=_warnings,
    has_generation=False,
    older={"v1": (autoscalers_v1.to_v2, autoscalers_v1.from_v2)},
)
