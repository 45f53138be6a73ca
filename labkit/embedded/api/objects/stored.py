"""What was stored, looked at before it is used again: another program or a bad disk may have changed it.

Only its form is judged. Rules may have become stricter since it was accepted, and as on a real server
that is no reason to lose it.
"""

from __future__ import annotations

from labkit.embedded.api.kinds.validation import validate
from labkit.embedded.api.types.decoding import prune
from labkit.embedded.api.types.registry import Registry
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.api.types.schemas import schema_of
from labkit.embedded.objects import Obj

_FORM = ("FieldValueRequired", "FieldValueTypeInvalid")
_OWN = ("uid", "creationTimestamp")
"""What the server gives every object, and its parts rely on."""


def check(registry: Registry, resource: str, obj: Obj) -> None:
    """ValueError, with the reason, where *obj* can't be served as one of *resource*."""
    kind = registry.get(resource)
    if kind is None or not kind.persisted or kind.stored_as != resource:
        raise ValueError(f"there is no resource type {resource}")
    given = (obj.get("apiVersion"), obj.get("kind"))
    if given != (kind.api_version(), kind.kind):
        raise ValueError(f"it is a {given[1]} of {given[0]}")
    prune(obj, schema_of(kind), custom=kind.custom)
    for key in _OWN:
        if not obj["metadata"].get(key):
            raise ValueError(f"metadata.{key} is missing")
    _check_form(kind, obj)


def _check_form(kind: ResourceType, obj: Obj) -> None:
    try:
        causes = [cause for cause in validate(obj, kind, obj) if cause[1] in _FORM]
    except (AttributeError, LookupError, TypeError) as error:
        raise ValueError(f"it can't be validated: {error!r}") from error
    if causes:
        raise ValueError("; ".join(f"{field}: {message}" for field, _, message in causes))
