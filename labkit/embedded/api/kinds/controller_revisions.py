"""ControllerRevisions: what StatefulSets and DaemonSets were like before."""

from __future__ import annotations

from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, Row
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType, split_api_version
from labkit.embedded.objects import Obj, controller_of


def _validate(causes: Causes, obj: Obj, old: Obj | None) -> None:
    causes.not_negative("revision", obj.get("revision"))
    if old is not None:
        causes.immutable("data", obj.get("data"), old.get("data"))
    elif obj.get("data") is None:
        causes.required("data", "data is mandatory")
    elif not isinstance(obj["data"], dict):
        causes.required("data", "data must be a valid JSON object")


def _owner(row: Row) -> str:
    owner = controller_of(row.obj)
    if owner is None:
        return "<none>"
    group, _ = split_api_version(owner["apiVersion"])
    kind = owner["kind"].lower()
    return f"{kind}.{group}/{owner['name']}" if group else f"{kind}/{owner['name']}"


CONTROLLER_REVISION = Kind(
    ResourceType("apps", ("v1",), "ControllerRevision", "controllerrevisions", "controllerrevision"),
    columns=(
        NAME,
        Column("Controller", _owner),
        Column("Revision", lambda row: row.obj.get("revision", 0)),
        AGE,
    ),
    zero={"revision": 0},
    validate=_validate,
    has_generation=False,
)
