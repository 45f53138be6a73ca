"""DaemonSets: a pod on each node."""

from __future__ import annotations

from labkit.embedded.api.kinds.common import meta
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, Row, format_labels, wide
from labkit.embedded.api.kinds.common.counts import count_or_share, not_more_than_all, number
from labkit.embedded.api.kinds.common.fill import fill
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.kinds.pods import TEMPLATE
from labkit.embedded.api.kinds.pods.defaults import default_template
from labkit.embedded.api.kinds.pods.validation import template
from labkit.embedded.api.kinds.workloads import (
    TEMPLATE_COLUMNS,
    check_lasting,
    check_selector_stays,
    format_selector,
)
from labkit.embedded.api.types.resources import ResourceType, status_of
from labkit.embedded.objects import Obj, annotations_of
from labkit.embedded.store import Store

_COUNTS = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
_GENERATION = "deprecated.daemonset.template.generation"


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, revisionHistoryLimit=10)
    strategy = spec.setdefault("updateStrategy", {})
    fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        fill(strategy, rollingUpdate={})
        fill(strategy["rollingUpdate"], maxUnavailable=1, maxSurge=0)
    default_template(spec)


def _prepare_create(_: Store, obj: Obj) -> None:
    obj["status"] = dict.fromkeys(_COUNTS, 0)
    _number(obj, max(_generation(obj), 1))


def _prepare_update(_: Store, obj: Obj, old: Obj) -> None:
    changed = obj["spec"].get("template") != old["spec"].get("template")
    _number(obj, _generation(old) + changed)


def _generation(obj: Obj) -> int:
    text = annotations_of(obj).get(_GENERATION, "")
    return int(text) if text.isdecimal() and text.isascii() else 0


def _number(obj: Obj, generation: int) -> None:
    obj["metadata"]["annotations"] = {**annotations_of(obj), _GENERATION: str(generation)}


def _validate(causes: Causes, obj: Obj, old: Obj | None) -> None:
    spec = obj["spec"]
    check_selector_stays(causes, spec, old)
    wanted, pod = spec.get("selector"), spec.get("template") or {}
    if wanted is not None:
        meta.selector(causes, "spec.selector", wanted)
    labels = (pod.get("metadata") or {}).get("labels") or {}
    if wanted is None or not meta.matches(wanted, labels):
        detail = "`selector` does not match template `labels`"
        causes.invalid("spec.template.metadata.labels", labels or None, detail)
    if wanted is not None and not wanted.get("matchLabels") and not wanted.get("matchExpressions"):
        causes.invalid("spec.selector", wanted, "empty selector is invalid for daemonset")
    template(causes, "spec.template", pod)
    check_lasting(causes, pod, "DaemonSet")
    causes.not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    _check_strategy(causes, spec["updateStrategy"])
    causes.not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))


def _check_strategy(causes: Causes, strategy: Obj) -> None:
    at = "spec.updateStrategy"
    if strategy["type"] == "OnDelete":
        return
    if strategy["type"] != "RollingUpdate":
        causes.unsupported(at, strategy, ("RollingUpdate", "OnDelete"))
        return
    rolling, at = strategy["rollingUpdate"], f"{at}.rollingUpdate"
    for key in ("maxUnavailable", "maxSurge"):
        count_or_share(causes, f"{at}.{key}", rolling[key])
    unavailable, surge = number(rolling["maxUnavailable"]), number(rolling["maxSurge"])
    if unavailable and surge:
        detail = "may not be set when maxUnavailable is non-zero"
        causes.invalid(f"{at}.maxSurge", rolling["maxSurge"], detail)
    elif not unavailable and not surge:
        causes.required(f"{at}.maxUnavailable", "cannot be 0 when maxSurge is 0")
    for key in ("maxUnavailable", "maxSurge"):
        not_more_than_all(causes, f"{at}.{key}", rolling[key])


def _of_status(name: str, key: str) -> Column:
    return Column(name, lambda row: row.status.get(key, 0), "integer")


def _nodes(row: Row) -> str:
    return format_labels((row.spec.get("template") or {}).get("spec", {}).get("nodeSelector"))


DAEMON_SET = Kind(
    ResourceType(
        "apps",
        ("v1",),
        "DaemonSet",
        "daemonsets",
        "daemonset",
        short_names=("ds",),
        categories=("all",),
        subresources=(status_of("DaemonSet"),),
    ),
    columns=(
        NAME,
        _of_status("Desired", "desiredNumberScheduled"),
        _of_status("Current", "currentNumberScheduled"),
        _of_status("Ready", "numberReady"),
        _of_status("Up-to-date", "updatedNumberScheduled"),
        _of_status("Available", "numberAvailable"),
        Column("Node Selector", _nodes),
        AGE,
        *TEMPLATE_COLUMNS,
        wide("Selector", lambda row: format_selector(row.spec) or "<none>"),
    ),
    default=_default,
    zero={"spec": {"template": TEMPLATE, "updateStrategy": {}}, "status": dict.fromkeys(_COUNTS, 0)},
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    validate=_validate,
)
