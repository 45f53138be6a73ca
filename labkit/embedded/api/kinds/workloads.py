"""What workloads have in common: a selector, a template, a scale."""

from __future__ import annotations

from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import Row, wide
from labkit.embedded.api.kinds.common.meta import matches, selector
from labkit.embedded.api.kinds.pods.validation import template
from labkit.embedded.api.types.resources import Subresource
from labkit.embedded.objects import Obj

TEMPLATE_COLUMNS = (
    wide("Containers", lambda row: ",".join(each.get("name", "") for each in _containers(row))),
    wide("Images", lambda row: ",".join(each.get("image", "") for each in _containers(row))),
)
SCALE = Subresource("scale", "Scale", group="autoscaling", version="v1")


def _containers(row: Row) -> list[Obj]:
    return row.spec.get("template", {}).get("spec", {}).get("containers") or []


def format_selector(spec: Obj) -> str:
    """``spec.selector`` of a workload in the words of ``kubectl get -l``."""
    selector = spec.get("selector") or {}
    terms = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    terms += [(each.get("key", ""), _expression(each)) for each in selector.get("matchExpressions") or []]
    return ",".join(text for _, text in sorted(terms))


def _expression(each: Obj) -> str:
    key, values = str(each.get("key", "")), ",".join(sorted(each.get("values") or []))
    forms: dict[str, str] = {"Exists": key, "DoesNotExist": f"!{key}", "NotIn": f"{key} notin ({values})"}
    return forms.get(each.get("operator", ""), f"{key} in ({values})")


def check_selector_stays(causes: Causes, spec: Obj, old: Obj | None) -> None:
    if old is not None:
        causes.immutable("spec.selector", spec.get("selector"), old.get("spec", {}).get("selector"))


def check_workload(causes: Causes, spec: Obj) -> None:
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
    check_lasting(causes, pod, "ReplicaSet")


def check_lasting(causes: Causes, pod: Obj, kind: str) -> None:
    """A template whose pods have no end."""
    policy = (pod.get("spec") or {}).get("restartPolicy", "Always")
    if policy != "Always":
        causes.unsupported("spec.template.spec.restartPolicy", policy, ["Always"])
    if (pod.get("spec") or {}).get("activeDeadlineSeconds") is not None:
        detail = f"activeDeadlineSeconds in {kind} is not Supported"
        causes.forbidden("spec.template.spec.activeDeadlineSeconds", detail)


def scale(causes: Causes, obj: Obj, _old: Obj | None) -> None:
    """``autoscaling/v1`` Scale."""
    causes.not_negative("spec.replicas", (obj.get("spec") or {}).get("replicas"))
