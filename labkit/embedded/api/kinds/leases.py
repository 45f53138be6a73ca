"""Leases."""

from __future__ import annotations

from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj


def _validate(causes: Causes, obj: Obj, _old: Obj | None) -> None:
    spec = obj.get("spec") or {}
    if spec.get("leaseDurationSeconds") is not None and spec["leaseDurationSeconds"] <= 0:
        causes.invalid("spec.leaseDurationSeconds", spec["leaseDurationSeconds"], "must be greater than 0")
    causes.not_negative("spec.leaseTransitions", spec.get("leaseTransitions"))


LEASE = Kind(
    ResourceType("coordination.k8s.io", ("v1",), "Lease", "leases", "lease"),
    columns=(NAME, Column("Holder", lambda row: row.spec.get("holderIdentity") or ""), AGE),
    zero={"spec": {}},
    validate=_validate,
    has_generation=False,
)
