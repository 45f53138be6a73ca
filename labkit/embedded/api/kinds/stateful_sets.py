"""StatefulSets: pods with names of their own, that come and go in order."""

from __future__ import annotations

from labkit.embedded.api.kinds.common import meta, names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, Row
from labkit.embedded.api.kinds.common.fill import fill
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.kinds.pods import TEMPLATE
from labkit.embedded.api.kinds.pods.defaults import default_template
from labkit.embedded.api.kinds.pods.validation import template
from labkit.embedded.api.kinds.workloads import SCALE, TEMPLATE_COLUMNS, check_lasting
from labkit.embedded.api.types import golang
from labkit.embedded.api.types.resources import ResourceType, status_of
from labkit.embedded.objects import Obj
from labkit.embedded.store import Store

_MAY_CHANGE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
_FIXED = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_NO_DISKS = (
    "spec.volumeClaimTemplates: there are no disks in this lab; each pod gets an empty folder of its own "
    "for each of them, which goes with the pod"
)
_ROLLING = '{{"Partition":{},"MaxUnavailable":null}}'
"""As the real server's struct is shown."""
_KEEPING = ("Retain", "Delete")


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, replicas=1, revisionHistoryLimit=10, podManagementPolicy="OrderedReady")
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        fill(strategy, rollingUpdate={})
    if strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is not None:
        fill(strategy["rollingUpdate"], partition=0)
    keeping = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    fill(keeping, whenDeleted="Retain", whenScaled="Retain")
    for claim in spec.get("volumeClaimTemplates") or ():
        claim.setdefault("apiVersion", "v1")
        claim.setdefault("kind", "PersistentVolumeClaim")
        fill(claim.setdefault("spec", {}), volumeMode="Filesystem")
        claim.setdefault("status", {})["phase"] = "Pending"
    default_template(spec)


def _prepare_create(_: Store, obj: Obj) -> None:
    obj["status"] = {"replicas": 0, "availableReplicas": 0}
    _drop_maximum(obj)


def _prepare_update(_: Store, obj: Obj, _old: Obj) -> None:
    _drop_maximum(obj)


def _drop_maximum(obj: Obj) -> None:
    """A feature the real server has switched off."""
    (obj["spec"]["updateStrategy"].get("rollingUpdate") or {}).pop("maxUnavailable", None)


def _validate(causes: Causes, obj: Obj, old: Obj | None) -> None:
    spec = obj["spec"]
    policy = spec["podManagementPolicy"]
    if policy not in ("OrderedReady", "Parallel"):
        causes.invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")
    _check_strategy(causes, spec["updateStrategy"])
    for key in ("whenDeleted", "whenScaled"):
        at, kept = (
            f"spec.persistentVolumeClaimRetentionPolicy.{key}",
            spec["persistentVolumeClaimRetentionPolicy"],
        )
        if kept.get(key) not in _KEEPING:
            causes.unsupported(at, kept.get(key), _KEEPING)
    for key in ("replicas", "minReadySeconds"):
        causes.not_negative(f"spec.{key}", spec.get(key))
    causes.not_negative("spec.ordinals.start", (spec.get("ordinals") or {}).get("start"))
    if spec.get("serviceName") and old is None:
        at = "spec.serviceName"
        causes.invalid_each(at, spec["serviceName"], names.dns_label(spec["serviceName"]))
    _check_pods(causes, spec)
    if old is not None and _fixed(spec) != _fixed(old["spec"]):
        causes.forbidden("spec", _FIXED)


def _fixed(spec: Obj) -> Obj:
    return {key: each for key, each in spec.items() if key not in _MAY_CHANGE}


def _check_strategy(causes: Causes, strategy: Obj) -> None:
    at, rolling = "spec.updateStrategy", strategy.get("rollingUpdate")
    if strategy["type"] == "OnDelete":
        if rolling is not None:
            shown = golang.Shown(_ROLLING.format(rolling.get("partition", 0)))
            causes.invalid(f"{at}.rollingUpdate", shown, "only allowed for updateStrategy 'RollingUpdate'")
    elif strategy["type"] == "RollingUpdate":
        causes.not_negative(f"{at}.rollingUpdate.partition", (rolling or {}).get("partition"))
    else:
        inner = "null" if rolling is None else _ROLLING.format(rolling.get("partition", 0))
        shown = golang.Shown(f'{{"Type":{golang.quoted(strategy["type"])},"RollingUpdate":{inner}}}')
        causes.invalid(at, shown, "must be 'RollingUpdate' or 'OnDelete'")


def _check_pods(causes: Causes, spec: Obj) -> None:
    wanted, pod = spec.get("selector"), spec.get("template") or {}
    if wanted is None:
        causes.required("spec.selector")
    else:
        meta.selector(causes, "spec.selector", wanted)
        if not wanted.get("matchLabels") and not wanted.get("matchExpressions"):
            causes.invalid("spec.selector", wanted, "empty selector is invalid for statefulset")
    labels = (pod.get("metadata") or {}).get("labels") or {}
    if wanted and not meta.matches(wanted, labels):
        detail = "`selector` does not match template `labels`"
        causes.invalid("spec.template.metadata.labels", labels or None, detail)
    claims = spec.get("volumeClaimTemplates") or ()
    claimed = [(claim.get("metadata") or {}).get("name", "") for claim in claims]
    kept = [each for each in pod.get("spec", {}).get("volumes") or () if each.get("name") not in claimed]
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claimed]
    template(causes, "spec.template", {**pod, "spec": {**pod.get("spec", {}), "volumes": [*volumes, *kept]}})
    meta.labels(causes, "spec.template.labels", labels)
    check_lasting(causes, pod, "StatefulSet")


def _warnings(obj: Obj, _old: Obj | None) -> list[str]:
    return [_NO_DISKS] if obj["spec"].get("volumeClaimTemplates") else []


def _ready(row: Row) -> str:
    return f"{row.status.get('readyReplicas', 0)}/{row.spec.get('replicas', 0)}"


STATEFUL_SET = Kind(
    ResourceType(
        "apps",
        ("v1",),
        "StatefulSet",
        "statefulsets",
        "statefulset",
        short_names=("sts",),
        categories=("all",),
        subresources=(SCALE, status_of("StatefulSet")),
    ),
    columns=(NAME, Column("Ready", _ready), AGE, *TEMPLATE_COLUMNS),
    default=_default,
    zero={"spec": {"template": TEMPLATE, "updateStrategy": {}}, "status": {}},
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    validate=_validate,
    warnings=_warnings,
    name_problems=names.dns_label,
)
