"""Server-side tables (``meta.k8s.io/v1`` Table): what ``kubectl get`` prints.

kubectl asks for a Table and prints its cells as they are, so the columns, their priority (1 is
shown by ``-o wide`` only) and every human word in them come from here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from labkit.embedded.api.kinds import table_cells, table_pods
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj

Include = Literal["Metadata", "Object", "None"]
"""``?includeObject=``: what of the object a row carries."""


@dataclass(frozen=True)
class Column:
    name: str
    type: str = "string"
    priority: int = 0
    format: str = ""
    path: str = ""
    """Where a custom resource's column takes its value."""

    def definition(self) -> Obj:
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.path
            and f"Custom resource definition column (in JSONPath format): {self.path}",
            "priority": self.priority,
        }


_NAME = Column("Name", format="name")
_CUSTOM_AGE = Column("Age", "date", path=".metadata.creationTimestamp")


def _columns(*names: str, wide: tuple[str, ...] = (), integers: tuple[str, ...] = ()) -> tuple[Column, ...]:
    narrow = [Column(name, "integer" if name in integers else "string") for name in names]
    return (_NAME, *narrow, *(Column(name, priority=1) for name in wide))


_TEMPLATE = ("Containers", "Images", "Selector")
_SUBJECTS = ("Users", "Groups", "ServiceAccounts")
_BUILT_IN: dict[str, tuple[Column, ...]] = {
    "pods": _columns(
        "Ready",
        "Status",
        "Restarts",
        "Age",
        wide=("IP", "Node", "Nominated Node", "Readiness Gates"),
    ),
    "replicasets.apps": _columns(
        "Desired", "Current", "Ready", "Age", wide=_TEMPLATE, integers=("Desired", "Current", "Ready")
    ),
    "deployments.apps": _columns("Ready", "Up-to-date", "Available", "Age", wide=_TEMPLATE),
    "services": _columns("Type", "Cluster-IP", "External-IP", "Port(s)", "Age", wide=("Selector",)),
    "nodes": _columns(
        "Status",
        "Roles",
        "Age",
        "Version",
        wide=("Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime"),
    ),
    "namespaces": _columns("Status", "Age"),
    "endpoints": _columns("Endpoints", "Age"),
    "secrets": _columns("Type", "Data", "Age"),
    "serviceaccounts": _columns("Secrets", "Age"),
    "configmaps": _columns("Data", "Age"),
    "leases.coordination.k8s.io": _columns("Holder", "Age"),
    "endpointslices.discovery.k8s.io": _columns("AddressType", "Ports", "Endpoints", "Age"),
    "rolebindings.rbac.authorization.k8s.io": _columns("Role", "Age", wide=_SUBJECTS),
    "clusterrolebindings.rbac.authorization.k8s.io": _columns("Role", "Age", wide=_SUBJECTS),
    "events": (
        Column("Last Seen"),
        Column("Type"),
        Column("Reason"),
        Column("Object"),
        Column("Subobject", priority=1),
        Column("Source", priority=1),
        Column("Message"),
        Column("First Seen", priority=1),
        Column("Count", priority=1),
        Column("Name", priority=1, format="name"),
    ),
}
_PLAIN = (_NAME, Column("Created At", "date"))

_CELLS: dict[str, Callable[[Obj, dt.datetime], list[Any]]] = {
    "pods": table_pods.cells,
    "replicasets.apps": table_cells.replica_set,
    "deployments.apps": table_cells.deployment,
    "services": table_cells.service,
    "nodes": table_cells.node,
    "namespaces": table_cells.namespace,
    "endpoints": table_cells.endpoints,
    "secrets": table_cells.secret,
    "serviceaccounts": table_cells.service_account,
    "configmaps": table_cells.configmap,
    "leases.coordination.k8s.io": table_cells.lease,
    "endpointslices.discovery.k8s.io": table_cells.endpoint_slice,
    "rolebindings.rbac.authorization.k8s.io": table_cells.binding,
    "clusterrolebindings.rbac.authorization.k8s.io": table_cells.binding,
    "events": table_cells.event,
}

_CUSTOM: dict[str, tuple[tuple[str, str], ...]] = {
    # (column, path) before or after Age as in the CustomResourceDefinitions of Istio 1.30
    "VirtualService": (("Gateways", ".spec.gateways"), ("Hosts", ".spec.hosts"), ("Age", "")),
    "DestinationRule": (("Host", ".spec.host"), ("Age", "")),
    "ServiceEntry": (
        ("Hosts", ".spec.hosts"),
        ("Location", ".spec.location"),
        ("Resolution", ".spec.resolution"),
        ("Age", ""),
    ),
    "WorkloadEntry": (("Age", ""), ("Address", ".spec.address")),
    "AuthorizationPolicy": (("Action", ".spec.action"), ("Age", "")),
    "PeerAuthentication": (("Mode", ".spec.mtls.mode"), ("Age", "")),
}


def columns_of(type_: ResourceType) -> tuple[Column, ...]:
    """The columns of a type, in order."""
    if not type_.custom:
        return _BUILT_IN.get(type_.stored_as, _PLAIN)
    own = _CUSTOM.get(type_.kind, (("Age", ""),))
    return (_NAME, *(Column(name, path=path) if path else _CUSTOM_AGE for name, path in own))


def cells_of(obj: Obj, type_: ResourceType, now: dt.datetime) -> list[Any]:
    """The cells of one object in its storage form; as many as there are columns."""
    if not type_.custom:
        return _CELLS.get(type_.stored_as, table_cells.created_at)(obj, now)
    own = columns_of(type_)[1:]
    return [obj["metadata"]["name"], *(table_cells.column(obj, each.path, now) for each in own)]


def to_table(
    objs: Iterable[Obj],
    type_: ResourceType,
    *,
    metadata: Obj | None = None,
    include: Include = "Metadata",
    headers: bool = True,
    now: dt.datetime | None = None,
) -> Obj:
    """The Table of *objs* (storage form); *metadata* is the list's (resourceVersion, continue …).

    A watch sends one Table an event: the first with *headers*, the others without.
    """
    now = now or dt.datetime.now(dt.UTC)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata or {},
        "columnDefinitions": [each.definition() for each in columns_of(type_)] if headers else [],
        "rows": [_row(obj, type_, include, now) for obj in objs],
    }


def _row(obj: Obj, type_: ResourceType, include: Include, now: dt.datetime) -> Obj:
    row: Obj = {"cells": cells_of(obj, type_, now)}
    conditions = table_pods.row_conditions(obj) if type_.name == "pods" else []
    if conditions:
        row["conditions"] = conditions
    if include != "None":
        row["object"] = obj if include == "Object" else partial_metadata(obj)
    return row


def partial_metadata(obj: Obj) -> Obj:
    """``PartialObjectMetadata`` of *obj*."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def partial_metadata_list(objs: Iterable[Obj], metadata: Obj) -> Obj:
    """``PartialObjectMetadataList`` of *objs*."""
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "items": [partial_metadata(obj) for obj in objs],
    }
