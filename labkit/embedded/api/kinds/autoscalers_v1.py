"""``autoscaling/v1``: what it can't say stands in annotations, as JSON."""

from __future__ import annotations

import json
from typing import Any

from labkit.embedded.objects import Obj, mutable

_PREFIX = "autoscaling.alpha.kubernetes.io/"
_METRICS, _CURRENT, _CONDITIONS = (f"{_PREFIX}{key}" for key in ("metrics", "current-metrics", "conditions"))
_BEHAVIOR = f"{_PREFIX}behavior"
_NOTES = (_METRICS, _CURRENT, _CONDITIONS, _BEHAVIOR)
_RESOURCES = ("resource", "containerResource")


def by_cpu(percent: int) -> Obj:
    """The one metric that v1 has a field for."""
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def to_v2(obj: Obj) -> Obj:
    """A v1 object as v2 has it."""
    made = mutable(obj)
    spec, status = made.setdefault("spec", {}), made.get("status") or {}
    notes = (made.get("metadata") or {}).get("annotations") or {}
    percent = spec.pop("targetCPUUtilizationPercentage", None)
    metrics = [_metric_to_v2(each) for each in _read(notes.get(_METRICS), [])]
    spec["metrics"] = metrics + ([by_cpu(percent)] if percent is not None else [])
    if behavior := _read(notes.get(_BEHAVIOR), {}):
        spec["behavior"] = _renamed(behavior, lower=True)
    if "status" in made:
        status.pop("currentCPUUtilizationPercentage", None)
        status["currentMetrics"] = [_status_to_v2(each) for each in _read(notes.get(_CURRENT), [])]
        status["conditions"] = _read(notes.get(_CONDITIONS), [])
    if notes:
        made["metadata"]["annotations"] = {key: each for key, each in notes.items() if key not in _NOTES}
    return made


def _read(text: str | None, otherwise: Any) -> Any:
    try:
        found = json.loads(text) if text else otherwise
    except ValueError:
        return otherwise
    return found if isinstance(found, type(otherwise)) else otherwise


def _written(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def from_v2(obj: Obj) -> Obj:
    """A v2 object as v1 has it."""
    made = mutable(obj)
    spec, status = made.get("spec") or {}, made.get("status") or {}
    metrics, behavior = spec.pop("metrics", None) or [], spec.pop("behavior", None)
    known = [each for each in metrics if _percent(each) is not None]
    others = [_metric_from_v2(each) for each in metrics if each not in known]
    if known:
        spec["targetCPUUtilizationPercentage"] = _percent(known[0])
    current, conditions = status.pop("currentMetrics", None) or [], status.pop("conditions", None) or []
    for each in current:
        resource = each.get("resource") or {}
        if resource.get("name") == "cpu" and "averageUtilization" in resource.get("current", {}):
            status["currentCPUUtilizationPercentage"] = resource["current"]["averageUtilization"]
    notes = {
        _METRICS: others,
        _CURRENT: [_status_from_v2(each) for each in current],
        _BEHAVIOR: _renamed(behavior, lower=False) if behavior else None,
        _CONDITIONS: conditions,
    }
    said = {key: _written(each) for key, each in notes.items() if each}
    if said:
        made["metadata"]["annotations"] = {**(made["metadata"].get("annotations") or {}), **said}
    if "status" in made:
        made["status"] = {"currentReplicas": 0, **status}
    return made


def _percent(metric: Obj) -> int | None:
    resource = metric.get("resource") or {}
    if metric.get("type") != "Resource" or resource.get("name") != "cpu":
        return None
    found: int | None = (resource.get("target") or {}).get("averageUtilization")
    return found


def _renamed(value: Any, *, lower: bool) -> Any:
    """Between the fields of v2 and those of the Go struct that the real server writes down."""
    if isinstance(value, list):
        return [_renamed(each, lower=lower) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        (key[0].lower() if lower else key[0].upper()) + key[1:]: _renamed(each, lower=lower)
        for key, each in value.items()
        if each is not None
    }


_TARGETS = {"averageUtilization": "targetAverageUtilization", "averageValue": "targetAverageValue"}


def _metric_from_v2(metric: Obj) -> Obj:
    kind = next((key for key in metric if key != "type"), "")
    source = metric.get(kind) or {}
    target, named = source.get("target") or {}, source.get("metric") or {}
    made = {key: source[key] for key in ("name", "container") if key in source}
    if kind not in _RESOURCES:
        made["metricName"] = named.get("name", "")
    if kind == "object":
        made |= {"target": source.get("describedObject") or {}, "targetValue": target.get("value", "0")}
        made |= {"averageValue": target["averageValue"]} if "averageValue" in target else {}
    else:
        made |= {new: target[old] for old, new in _TARGETS.items() if old in target}
        made |= {"targetValue": target["value"]} if "value" in target else {}
    if "selector" in named:
        made["metricSelector" if kind == "external" else "selector"] = named["selector"]
    return {"type": metric["type"], kind: made}


def _metric_to_v2(metric: Obj) -> Obj:
    kind = next((key for key in metric if key != "type"), "")
    source = metric.get(kind) or {}
    target = {old: source[new] for old, new in _TARGETS.items() if new in source}
    if kind == "object":
        target |= {"averageValue": source["averageValue"]} if "averageValue" in source else {}
    if source.get("targetValue") not in (None, "0"):
        target["value"] = source["targetValue"]
    types = {"averageUtilization": "Utilization", "averageValue": "AverageValue", "value": "Value"}
    target["type"] = next((word for key, word in types.items() if key in target), "Value")
    made: Obj = {key: source[key] for key in ("name", "container") if key in source}
    if kind not in _RESOURCES:
        selector = source.get("metricSelector") or source.get("selector")
        made["metric"] = {"name": source.get("metricName", "")} | ({"selector": selector} if selector else {})
    if kind == "object":
        made["describedObject"] = source.get("target") or {}
    return {"type": metric.get("type", ""), kind: {**made, "target": target}}


_NOW = {"averageUtilization": "currentAverageUtilization", "averageValue": "currentAverageValue"}


def _status_from_v2(metric: Obj) -> Obj:
    kind = next((key for key in metric if key != "type"), "")
    source = metric.get(kind) or {}
    current = source.get("current") or {}
    made = {key: source[key] for key in ("name", "container") if key in source}
    made |= {new: current[old] for old, new in _NOW.items() if old in current}
    return {"type": metric["type"], kind: made}


def _status_to_v2(metric: Obj) -> Obj:
    kind = next((key for key in metric if key != "type"), "")
    source = metric.get(kind) or {}
    made: Obj = {key: source[key] for key in ("name", "container") if key in source}
    made["current"] = {old: source[new] for old, new in _NOW.items() if new in source}
    return {"type": metric.get("type", ""), kind: made}
