"""The state an object is in when it is created, changed, or its status is written.

The counterpart of ``rest.BeforeCreate`` and ``BeforeUpdate``; what is particular to a kind is the kind's.
"""

from __future__ import annotations

from labkit.embedded.api.kinds import catalogue
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj
from labkit.embedded.store import Store


def prepare_create(store: Store, type_: ResourceType, obj: Obj) -> None:
    """Bring a new *obj* into its first state."""
    kind = catalogue.of(type_)
    if type_.subresource("status") and not kind.keeps_status:
        obj.pop("status", None)
    kind.prepare_create(store, obj)


def prepare_update(store: Store, type_: ResourceType, obj: Obj, old: Obj) -> None:
    """Undo in a changed *obj* what a plain update may not change."""
    if type_.subresource("status"):
        _restore(obj, old, "status")
    catalogue.of(type_).prepare_update(store, obj, old)


def with_status_of(type_: ResourceType, obj: Obj, old: Obj, subresource: str = "status") -> Obj:
    """*old* with the status of *obj*, and with as much of its metadata as *type_* takes on that way.

    *subresource* is the way: one of :data:`~..types.resources.OF_STATUS`.
    """
    changed = {**old, "metadata": dict(obj["metadata"])}
    _restore(changed, obj, "status")
    for key in catalogue.of(type_).metadata_of_status:
        _restore(changed["metadata"], old["metadata"], key)
    catalogue.of(type_).prepare_status(changed, old, subresource)
    return changed


def _restore(obj: Obj, source: Obj, key: str) -> None:
    obj.pop(key, None)
    if key in source:
        obj[key] = source[key]
