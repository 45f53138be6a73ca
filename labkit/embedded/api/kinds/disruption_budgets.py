"""PodDisruptionBudgets: how many pods have to stay when somebody clears a node."""

from __future__ import annotations

from typing import Any

from labkit.embedded.api.kinds.common import meta
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column
from labkit.embedded.api.kinds.common.counts import count_or_share, not_more_than_all
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types import golang
from labkit.embedded.api.types.resources import ResourceType, status_of
from labkit.embedded.objects import Obj
from labkit.embedded.store import Store

_POLICIES = ("AlwaysAllow", "IfHealthyBudget")
_COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")


def _prepare_create(_: Store, budget: Obj) -> None:
    budget["status"] = dict.fromkeys(_COUNTS, 0)


def _validate(causes: Causes, obj: Obj, _old: Obj | None) -> None:
    spec = obj.get("spec") or {}
    if "minAvailable" in spec and "maxUnavailable" in spec:
        detail = "minAvailable and maxUnavailable cannot be both set"
        causes.invalid("spec", _as_struct(spec), detail)
    for key in ("minAvailable", "maxUnavailable"):
        if key in spec:
            count_or_share(causes, f"spec.{key}", spec[key])
            not_more_than_all(causes, f"spec.{key}", spec[key])
    if spec.get("selector") is not None:
        meta.selector(causes, "spec.selector", spec["selector"])
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in _POLICIES:
        causes.unsupported("spec.unhealthyPodEvictionPolicy", policy, _POLICIES)


def _as_struct(spec: Obj) -> golang.Shown:
    """*spec* with the fields its Go struct has in the real server."""
    keys = ("MinAvailable", "Selector", "MaxUnavailable", "UnhealthyPodEvictionPolicy")
    shown = (f'"{key}":{golang.compact(spec.get(key[0].lower() + key[1:]))}' for key in keys)
    return golang.Shown("{" + ",".join(shown) + "}")


def _either(key: str) -> Any:
    return lambda row: str(row.spec.get(key, "N/A"))


DISRUPTION_BUDGET = Kind(
    ResourceType(
        "policy",
        ("v1",),
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        "poddisruptionbudget",
        short_names=("pdb",),
        subresources=(status_of("PodDisruptionBudget"),),
    ),
    columns=(
        NAME,
        Column("Min Available", _either("minAvailable")),
        Column("Max Unavailable", _either("maxUnavailable")),
        Column("Allowed Disruptions", lambda row: row.status.get("disruptionsAllowed", 0), "integer"),
        AGE,
    ),
    zero={"spec": {}, "status": dict.fromkeys(_COUNTS, 0)},
    prepare_create=_prepare_create,
    validate=_validate,
)
