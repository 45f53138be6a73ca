"""What was stored, looked at before it is used again: another program or a bad disk may have changed it.

Only its form is judged. Rules may have become stricter since it was accepted, and as on a real server
that is no reason to lose it.
"""

from __future__ import annotations

from labkit.embedded.api.kinds import crds
from labkit.embedded.api.kinds.crds import naming
from labkit.embedded.api.kinds.custom import type_of
from labkit.embedded.api.kinds.validation import validate
from labkit.embedded.api.types.decoding import prune
from labkit.embedded.api.types.registry import Registry
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.api.types.schemas import schema_of
from labkit.embedded.objects import Obj

FIRST = (crds.RESOURCE,)
_FORM = ("FieldValueRequired", "FieldValueTypeInvalid")
_FLAGS = ("name", "served", "storage")
_SHORT: Obj = {"schema": {"openAPIV3Schema": {"type": "object"}}}
_OWN = ("uid", "creationTimestamp")
"""What the server gives every object, and its parts rely on."""


def check(registry: Registry, resource: str, obj: Obj) -> None:
    """ValueError, with the reason, where *obj* can't be served as one of *resource*.

    A definition is served from then on: it comes before the objects of its kind (:data:`FIRST`).
    """
    kind = registry.get(resource)
    if kind is None or not kind.persisted or kind.stored_as != resource:
        raise ValueError(f"there is no resource type {resource}")
    version = _version(kind, obj)
    prune(_looked_at(resource, obj), schema_of(kind, version), custom=kind.custom)
    for key in _OWN:
        if not obj["metadata"].get(key):
            raise ValueError(f"metadata.{key} is missing")
    _check_form(kind, obj, version)
    if resource == crds.RESOURCE and not naming.is_refused(obj) and (custom := type_of(obj)):
        registry.add(custom)  # what is stored of its kind comes next


def _version(kind: ResourceType, obj: Obj) -> str:
    """The version it is stored in: a custom kind's may have been another one when it was written."""
    versions = [each["name"] for each in kind.definition["versions"]] if kind.custom else [""]
    for each in versions:
        if (obj.get("apiVersion"), obj.get("kind")) == (kind.api_version(each), kind.kind):
            return each
    raise ValueError(f"it is a {obj.get('kind')} of {obj.get('apiVersion')}")


def _check_form(kind: ResourceType, obj: Obj, version: str) -> None:
    try:
        found = validate(_looked_at(kind.name, obj), kind, obj, version=version)
        causes = [cause for cause in found if cause[1] in _FORM]
    except (AttributeError, LookupError, TypeError) as error:
        raise ValueError(f"it can't be validated: {error!r}") from error
    if causes:
        raise ValueError("; ".join(f"{field}: {message}" for field, _, message in causes))


def _looked_at(resource: str, obj: Obj) -> Obj:
    """*obj* without a definition's schemas and columns: they are many, and were looked at when they came."""
    if resource != crds.RESOURCE:
        return obj
    try:
        versions = obj["spec"]["versions"]
        short = [{**_SHORT, **{key: each[key] for key in _FLAGS}} for each in versions]
        return {**obj, "spec": {**obj["spec"], "versions": short}}
    except (KeyError, TypeError) as error:
        raise ValueError(f"it defines nothing: {error!r}") from error
