"""Server-side tables (``meta.k8s.io/v1`` Table): what ``kubectl get`` prints.

Its columns, and what stands in them, are each kind's own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Literal

from labkit.embedded.api.kinds import catalogue
from labkit.embedded.api.kinds.common.columns import Row
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj

Include = Literal["Metadata", "Object", "None"]
"""``?includeObject=``: what of the object a row carries."""


def to_table(
    objs: Iterable[Obj],
    type_: ResourceType,
    *,
    metadata: Obj | None = None,
    include: Include = "Metadata",
    headers: bool = True,
    now: dt.datetime | None = None,
    version: str = "",
) -> Obj:
    """The Table of *objs* (storage form); *metadata* is the list's (resourceVersion, continue …).

    A watch sends one Table an event: the first with *headers*, the others without.
    """
    now = now or dt.datetime.now(dt.UTC)
    kind = catalogue.of(type_, version)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata or {},
        "columnDefinitions": [each.definition() for each in kind.columns] if headers else [],
        "rows": [_row(kind.row(obj, now), kind, include) for obj in objs],
    }


def _row(row: Row, kind: Kind, include: Include) -> Obj:
    shown: Obj = {"cells": [each.cell(row) for each in kind.columns]}
    conditions = row.conditions
    if conditions:
        shown["conditions"] = conditions
    if include != "None":
        shown["object"] = row.obj if include == "Object" else partial_metadata(row.obj)
    return shown


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
