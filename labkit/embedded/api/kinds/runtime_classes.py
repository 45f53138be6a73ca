"""RuntimeClasses: by what a pod's containers are run."""

from __future__ import annotations

from labkit.embedded.api.kinds.common import meta, names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column
from labkit.embedded.api.kinds.common.resources import check_amount, check_name
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj

_ONE_RUNTIME = "handler: there is one runtime in this lab, processes; it runs pods of this class, too"


def _validate(causes: Causes, obj: Obj, old: Obj | None) -> None:
    handler = obj.get("handler", "")
    causes.invalid_each("handler", handler, names.dns_label(handler))
    for name, value in ((obj.get("overhead") or {}).get("podFixed") or {}).items():
        at = f"overhead.limits[{name}]"
        check_name(causes, at, name, of_container=True)
        check_amount(causes, at, value)
    meta.labels(causes, "scheduling.nodeSelector", (obj.get("scheduling") or {}).get("nodeSelector"))
    if old is not None:
        causes.immutable("handler", handler, old.get("handler", ""))


def _warnings(_obj: Obj, old: Obj | None) -> list[str]:
    return [] if old else [_ONE_RUNTIME]


RUNTIME_CLASS = Kind(
    ResourceType("node.k8s.io", ("v1",), "RuntimeClass", "runtimeclasses", "runtimeclass", namespaced=False),
    columns=(NAME, Column("Handler", lambda row: row.obj.get("handler", "")), AGE),
    zero={"handler": ""},
    validate=_validate,
    warnings=_warnings,
    has_generation=False,
)
