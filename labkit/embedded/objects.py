"""Kubernetes objects as plain dictionaries, and the few questions everybody asks of them.

An object that comes out of the store is shared by all its readers: treat it as read-only and
take a private copy with :func:`mutable` before changing anything.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, TypeAlias

Obj: TypeAlias = dict[str, Any]
"""One Kubernetes object, in its JSON form."""


def mutable(obj: Obj) -> Obj:
    """A deep, private copy of *obj*."""
    return {key: _copied(value) for key, value in obj.items()}


def _copied(value: Any) -> Any:
    """JSON has two containers, so this is some eight times faster than :func:`copy.deepcopy`."""
    if isinstance(value, dict):
        return {key: _copied(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_copied(each) for each in value]
    return value


def name_of(obj: Obj) -> str:
    """``metadata.name``, or an empty string."""
    return str(obj.get("metadata", {}).get("name", ""))


def namespace_of(obj: Obj) -> str:
    """``metadata.namespace``; empty for a cluster-scoped object."""
    return str(obj.get("metadata", {}).get("namespace", ""))


def uid_of(obj: Obj) -> str:
    """``metadata.uid``, or an empty string."""
    return str(obj.get("metadata", {}).get("uid", ""))


def labels_of(obj: Obj) -> dict[str, str]:
    """``metadata.labels``; never ``None``."""
    return obj.get("metadata", {}).get("labels") or {}


def annotations_of(obj: Obj) -> dict[str, str]:
    """``metadata.annotations``; never ``None``."""
    return obj.get("metadata", {}).get("annotations") or {}


def at_revision(obj: Obj, revision: int) -> Obj:
    """*obj* with *revision* as its ``metadata.resourceVersion``; the rest is shared with it."""
    return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(revision)}}


def is_terminating(obj: Obj) -> bool:
    """Whether deletion of *obj* has begun."""
    return bool(obj.get("metadata", {}).get("deletionTimestamp"))


def controller_of(obj: Obj) -> Obj | None:
    """The owner reference that has ``controller: true``."""
    references = obj.get("metadata", {}).get("ownerReferences") or []
    return next((reference for reference in references if reference.get("controller")), None)


def has_labels(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether *labels* hold every pair of *wanted*."""
    return all(labels.get(key) == value for key, value in wanted.items())


def condition_of(obj: Obj, kind: str) -> Obj | None:
    """The entry of ``status.conditions`` whose type is *kind*."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    return next((condition for condition in conditions if condition.get("type") == kind), None)


def timestamp(moment: dt.datetime | None = None) -> str:
    """*moment* (default: now) as ``metav1.Time``: RFC 3339, UTC, whole seconds."""
    return (moment or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_timestamp(moment: dt.datetime | None = None) -> str:
    """*moment* (default: now) as ``metav1.MicroTime``."""
    moment = (moment or dt.datetime.now(dt.UTC)).astimezone(dt.UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")  # years of four digits
