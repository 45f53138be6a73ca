"""Objects between the version a client speaks and the one they are stored in.

Istio's versions differ in name only; their definitions are stored without schemas. Events are served
by two groups with different field names and stored once, in their core/v1 form, as a real API
server does.
"""

from __future__ import annotations

from labkit.embedded.api.kinds import crds
from labkit.embedded.api.kinds.events import CORE_NAMES
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj

_NEW_NAMES = {core: new for new, core in CORE_NAMES.items()}


def to_storage(obj: Obj, type_: ResourceType, stored: ResourceType) -> Obj:
    """*obj*, in any version of *type_*, as it is stored: as one of *stored*, which may be *type_* itself."""
    renamed = obj if stored is type_ else _renamed(obj, CORE_NAMES)
    return {**renamed, "apiVersion": stored.api_version(), "kind": stored.kind}


def from_storage(obj: Obj, type_: ResourceType, version: str = "") -> Obj:
    """A stored *obj* in *version* of *type_*; *obj* itself where nothing differs."""
    api_version = type_.api_version(version)
    if type_.name == crds.RESOURCE:
        return crds.with_schemas(obj)
    if obj.get("apiVersion") == api_version:
        return obj
    renamed = obj if type_.stored_as == type_.name else _renamed(obj, _NEW_NAMES)
    return {**renamed, "apiVersion": api_version}


def _renamed(obj: Obj, names: dict[str, str]) -> Obj:
    return {names.get(key, key): value for key, value in obj.items()}
