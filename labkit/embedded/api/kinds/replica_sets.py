"""ReplicaSets."""

from __future__ import annotations

from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, wide
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
    fill(spec, replicas=1)
    default_template(spec)


def _prepare_create(_: Store, replica_set: Obj) -> None:
    replica_set["status"] = {"replicas": 0}


def _validate(causes: Causes, obj: Obj, old: Obj | None) -> None:
    spec = obj.get("spec") or {}
    check_workload(causes, spec)
    causes.not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    check_selector_stays(causes, spec, old)


REPLICA_SET = Kind(
    ResourceType(
        "apps",
        ("v1",),
        "ReplicaSet",
        "replicasets",
        "replicaset",
        short_names=("rs",),
        categories=("all",),
        subresources=(SCALE, status_of("ReplicaSet")),
    ),
    columns=(
        NAME,
        Column("Desired", lambda row: row.spec.get("replicas", 0), "integer"),
        Column("Current", lambda row: row.status.get("replicas", 0), "integer"),
        Column("Ready", lambda row: row.status.get("readyReplicas", 0), "integer"),
        AGE,
        *TEMPLATE_COLUMNS,
        wide("Selector", lambda row: format_selector(row.spec) or "<none>"),
    ),
    default=_default,
    zero={"spec": {"template": TEMPLATE}, "status": {}},
    prepare_create=_prepare_create,
    validate=_validate,
    fields=("status.replicas",),
)
