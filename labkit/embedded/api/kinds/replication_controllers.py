"""ReplicationControllers: what there was before ReplicaSets."""

from __future__ import annotations

from labkit.embedded.api.kinds.common import meta
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, format_labels, wide
from labkit.embedded.api.kinds.common.fill import fill
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.kinds.pods.defaults import default_template
from labkit.embedded.api.kinds.pods.validation import template
from labkit.embedded.api.kinds.workloads import SCALE, TEMPLATE_COLUMNS, check_lasting
from labkit.embedded.api.types.resources import ResourceType, status_of
from labkit.embedded.objects import Obj
from labkit.embedded.store import Store


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, replicas=1)
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if labels and not spec.get("selector"):
        spec["selector"] = dict(labels)
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)
    default_template(spec)


def _prepare_create(_: Store, obj: Obj) -> None:
    obj["status"] = {"replicas": 0}


def _validate(causes: Causes, obj: Obj, _old: Obj | None) -> None:
    spec = obj["spec"]
    causes.not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    selector = spec.get("selector") or {}
    if not selector:
        causes.required("spec.selector")
    causes.not_negative("spec.replicas", spec.get("replicas"))
    pod = spec.get("template")
    if pod is None:
        causes.required("spec.template")
        return
    labels = (pod.get("metadata") or {}).get("labels") or {}
    if selector and not meta.matches({"matchLabels": selector}, labels):
        detail = "`selector` does not match template `labels`"
        causes.invalid("spec.template.metadata.labels", labels or None, detail)
    template(causes, "spec.template", pod)
    check_lasting(causes, pod, "ReplicationController")


def _of_status(name: str, key: str) -> Column:
    return Column(name, lambda row: row.status.get(key, 0), "integer")


REPLICATION_CONTROLLER = Kind(
    ResourceType(
        "",
        ("v1",),
        "ReplicationController",
        "replicationcontrollers",
        "replicationcontroller",
        short_names=("rc",),
        categories=("all",),
        subresources=(SCALE, status_of("ReplicationController")),
    ),
    columns=(
        NAME,
        Column("Desired", lambda row: row.spec.get("replicas", 0), "integer"),
        _of_status("Current", "replicas"),
        _of_status("Ready", "readyReplicas"),
        AGE,
        *TEMPLATE_COLUMNS,
        wide("Selector", lambda row: format_labels(row.spec.get("selector"))),
    ),
    default=_default,
    zero={"spec": {}, "status": {}},
    prepare_create=_prepare_create,
    validate=_validate,
    orphans=True,
    fields=("status.replicas",),
)
