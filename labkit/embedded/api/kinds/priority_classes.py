"""PriorityClasses: whose pods go first where there is too little."""

from __future__ import annotations

from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column
from labkit.embedded.api.kinds.common.fill import fill
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj, name_of

RESOURCE = "priorityclasses.scheduling.k8s.io"
_POLICIES = ("Never", "PreemptLowerPriority")
_HIGHEST = 1_000_000_000
_RESERVED = "system-"


SYSTEM: tuple[Obj, ...] = (
    {
        "metadata": {"name": "system-node-critical"},
        "value": 2_000_001_000,
        "description": "Used for system critical pods that must not be moved from their current node.",
    },
    {
        "metadata": {"name": "system-cluster-critical"},
        "value": 2_000_000_000,
        "description": "Used for system critical pods that must run in the cluster, but can be moved to "
        "another node if necessary.",
    },
)
"""Those that every cluster has."""


def _default(obj: Obj) -> None:
    fill(obj, preemptionPolicy="PreemptLowerPriority")


def _validate(causes: Causes, obj: Obj, old: Obj | None) -> None:
    name, value = name_of(obj), obj.get("value", 0)
    if name.startswith(_RESERVED):
        if why := _not_of_the_system(name, value, bool(obj.get("globalDefault"))):
            said = f"priority class names with '{_RESERVED}' prefix are reserved for system use only."
            causes.forbidden("metadata.name", f"{said} error: {why}")
    elif value > _HIGHEST:
        detail = f"maximum allowed value of a user defined priority is {_HIGHEST}"
        causes.forbidden("value", detail)
    if obj["preemptionPolicy"] not in _POLICIES:
        causes.unsupported("preemptionPolicy", obj["preemptionPolicy"], ("PreemptLowerPriority", "Never"))
    if old is not None:
        if value != old.get("value", 0):
            causes.forbidden("value", "may not be changed in an update.")
        causes.immutable("preemptionPolicy", obj["preemptionPolicy"], old.get("preemptionPolicy"))


def _not_of_the_system(name: str, value: int, is_default: bool) -> str:
    known = next((each for each in SYSTEM if name_of(each) == name), None)
    if known is None:
        return f"{name} is not a known system priority class"
    if value != known["value"]:
        return f"value of {name} PriorityClass must be {known['value']}"
    return f"globalDefault of {name} PriorityClass must be false" if is_default else ""


PRIORITY_CLASS = Kind(
    ResourceType(
        "scheduling.k8s.io",
        ("v1",),
        "PriorityClass",
        "priorityclasses",
        "priorityclass",
        namespaced=False,
        short_names=("pc",),
    ),
    columns=(
        NAME,
        Column("Value", lambda row: row.obj.get("value", 0), "integer"),
        Column("Global-Default", lambda row: bool(row.obj.get("globalDefault")), "boolean"),
        AGE,
        Column("PreemptionPolicy", lambda row: row.obj.get("preemptionPolicy", "")),
    ),
    default=_default,
    zero={"value": 0},
    validate=_validate,
)
