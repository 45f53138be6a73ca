"""CSIStorageCapacities: how much a storage driver has left, and where."""

from __future__ import annotations

from labkit.embedded.api.kinds.common import meta, names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.resources import check_amount
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj


def _validate(causes: Causes, obj: Obj, old: Obj | None) -> None:
    if obj.get("nodeTopology") is not None:
        meta.selector(causes, "nodeTopology", obj["nodeTopology"])
    storage_class = obj.get("storageClassName", "")
    causes.invalid_each("storageClassName", storage_class, names.dns_subdomain(storage_class))
    if obj.get("capacity") is not None:
        check_amount(causes, "capacity", obj["capacity"])
    if old is not None:
        causes.immutable("nodeTopology", obj.get("nodeTopology"), old.get("nodeTopology"))
        causes.immutable("storageClassName", storage_class, old.get("storageClassName", ""))


CSI_STORAGE_CAPACITY = Kind(
    ResourceType(
        "storage.k8s.io", ("v1",), "CSIStorageCapacity", "csistoragecapacities", "csistoragecapacity"
    ),
    zero={"storageClassName": ""},
    validate=_validate,
    has_generation=False,
)
