"""Deployments."""

from __future__ import annotations

from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, Row, wide
from labkit.embedded.api.kinds.common.counts import count_or_share, not_more_than_all, number
from labkit.embedded.api.kinds.common.fill import fill
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.kinds.pods import TEMPLATE
from labkit.embedded.api.kinds.pods.defaults import default_template
from labkit.embedded.api.kinds.workloads import (
    SCALE,
    TEMPLATE_COLUMNS,
    check_selector_stays,
    check_workload,
    format_selector,
)
from labkit.embedded.api.types.resources import ResourceType, status_of
from labkit.embedded.objects import Obj
from labkit.embedded.store import Store


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = spec.setdefault("strategy", {})
    fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        fill(strategy, rollingUpdate={})
        fill(strategy["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")
    default_template(spec)


def _prepare_create(_: Store, workload: Obj) -> None:
    workload["status"] = {}


def _validate(causes: Causes, obj: Obj, old: Obj | None) -> None:
    spec = obj.get("spec") or {}
    check_workload(causes, spec)
    _strategy(causes, spec.get("strategy") or {})
    for key in ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        causes.not_negative(f"spec.{key}", spec.get(key))
    deadline, ready = spec.get("progressDeadlineSeconds"), spec.get("minReadySeconds", 0)
    if deadline is not None and deadline <= ready:
        causes.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")
    check_selector_stays(causes, spec, old)


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
        count_or_share(causes, f"{field}.{key}", rolling.get(key, 0))
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    if number(unavailable) == 0 and number(surge) == 0:
        causes.invalid(f"{field}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
    not_more_than_all(causes, f"{field}.maxUnavailable", unavailable)


def _ready(row: Row) -> str:
    return f"{row.status.get('readyReplicas', 0)}/{row.spec.get('replicas', 0)}"


DEPLOYMENT = Kind(
    ResourceType(
        "apps",
        ("v1",),
        "Deployment",
        "deployments",
        "deployment",
        short_names=("deploy",),
        categories=("all",),
        subresources=(SCALE, status_of("Deployment")),
    ),
    columns=(
        NAME,
        Column("Ready", _ready),
        Column("Up-to-date", lambda row: row.status.get("updatedReplicas", 0)),
        Column("Available", lambda row: row.status.get("availableReplicas", 0)),
        AGE,
        *TEMPLATE_COLUMNS,
        wide("Selector", lambda row: format_selector(row.spec)),
    ),
    default=_default,
    zero={"spec": {"template": TEMPLATE, "strategy": {}}, "status": {}},
    prepare_create=_prepare_create,
    validate=_validate,
    metadata_of_status=("labels",),
)
