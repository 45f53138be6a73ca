"""ServiceAccounts."""

from __future__ import annotations

from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import CREATE_ONLY, ResourceType, Subresource

SERVICE_ACCOUNT = Kind(
    ResourceType(
        "",
        ("v1",),
        "ServiceAccount",
        "serviceaccounts",
        "serviceaccount",
        short_names=("sa",),
        subresources=(Subresource("token", "TokenRequest", CREATE_ONLY, "authentication.k8s.io", "v1"),),
    ),
    columns=(NAME, Column("Secrets", lambda row: len(row.obj.get("secrets") or [])), AGE),
    has_generation=False,
    shown_when_deleted=True,
)
