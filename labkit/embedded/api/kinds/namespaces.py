"""Namespaces."""

from __future__ import annotations

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column
from labkit.embedded.api.kinds.common.fill import fill
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType, Subresource, status_of
from labkit.embedded.objects import Obj
from labkit.embedded.store import Store


def _default(obj: Obj) -> None:
    fill(obj.setdefault("status", {}), phase="Active")


def _prepare_create(_: Store, namespace: Obj) -> None:
    namespace.setdefault("spec", {})["finalizers"] = ["kubernetes"]
    namespace["status"] = {"phase": "Active"}
    _label(namespace)


def _prepare_update(_: Store, namespace: Obj, old: Obj) -> None:
    namespace.setdefault("spec", {})["finalizers"] = old.get("spec", {}).get("finalizers", [])
    _label(namespace)


def _label(namespace: Obj) -> None:
    meta = namespace["metadata"]
    meta["labels"] = {**(meta.get("labels") or {}), "kubernetes.io/metadata.name": meta["name"]}


NAMESPACE = Kind(
    ResourceType(
        "",
        ("v1",),
        "Namespace",
        "namespaces",
        "namespace",
        namespaced=False,
        short_names=("ns",),
        verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
        subresources=(Subresource("finalize", "Namespace", ("update",)), status_of("Namespace")),
    ),
    columns=(NAME, Column("Status", lambda row: row.status.get("phase", "")), AGE),
    default=_default,
    zero={"spec": {}, "status": {}},
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    name_problems=names.dns_label,
    fields=("status.phase",),
    has_generation=False,
    shown_when_deleted=True,
)
