"""Nodes."""

from __future__ import annotations

from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, Row, wide
from labkit.embedded.api.kinds.common.fill import fill
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType, status_of
from labkit.embedded.objects import Obj, condition_of, labels_of

_ROLE_LABEL = "node-role.kubernetes.io/"


def _default(obj: Obj) -> None:
    status = obj.setdefault("status", {})
    if status.get("capacity"):
        fill(status, allocatable=dict(status["capacity"]))


def _info(row: Row) -> Obj:
    found: Obj = row.status.get("nodeInfo", {})
    return found


def _status(obj: Obj) -> str:
    ready = condition_of(obj, "Ready")
    words = ["Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"]
    return ",".join(words + ["SchedulingDisabled"] * bool(obj.get("spec", {}).get("unschedulable")))


def _roles(obj: Obj) -> list[str]:
    labels = labels_of(obj)
    roles = {key.removeprefix(_ROLE_LABEL) for key in labels if key.startswith(_ROLE_LABEL)}
    return sorted((roles | {labels.get("kubernetes.io/role", "")}) - {""})


def _address(obj: Obj, kind: str) -> str:
    addresses = obj.get("status", {}).get("addresses") or []
    return next((str(each.get("address")) for each in addresses if each.get("type") == kind), "<none>")


NODE = Kind(
    ResourceType(
        "",
        ("v1",),
        "Node",
        "nodes",
        "node",
        namespaced=False,
        short_names=("no",),
        subresources=(status_of("Node"),),
    ),
    columns=(
        NAME,
        Column("Status", lambda row: _status(row.obj)),
        Column("Roles", lambda row: ",".join(_roles(row.obj)) or "<none>"),
        AGE,
        Column("Version", lambda row: _info(row).get("kubeletVersion", "")),
        wide("Internal-IP", lambda row: _address(row.obj, "InternalIP")),
        wide("External-IP", lambda row: _address(row.obj, "ExternalIP")),
        wide("OS-Image", lambda row: _info(row).get("osImage") or "<unknown>"),
        wide("Kernel-Version", lambda row: _info(row).get("kernelVersion") or "<unknown>"),
        wide("Container-Runtime", lambda row: _info(row).get("containerRuntimeVersion") or "<unknown>"),
    ),
    default=_default,
    zero={"spec": {}, "status": {"daemonEndpoints": {"kubeletEndpoint": {}}, "nodeInfo": {}}},
    fields=("spec.unschedulable",),
    has_generation=False,
    keeps_status=True,
)
