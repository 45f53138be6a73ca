"""Objects between the version a client speaks and the one they are stored in.

Versions of a custom kind have the fields that both know (but see :mod:`.conversions`); what a later
definition has made of a kind is seen in what was stored before it, too. Definitions are stored with their
schemas packed. Events are served by two groups with different field names and stored once, in their core/v1
form.
"""

from __future__ import annotations

from collections.abc import Callable

from labkit.embedded.api.kinds import catalogue, crds
from labkit.embedded.api.kinds.events import CORE_NAMES
from labkit.embedded.api.types.decoding import prune
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.api.types.schemas import own_schema, packed, schema_of, unpacked
from labkit.embedded.objects import Obj, mutable

_NEW_NAMES = {core: new for new, core in CORE_NAMES.items()}


def to_storage(obj: Obj, type_: ResourceType, stored: ResourceType) -> Obj:
    """*obj*, in any version of *type_*, as it is stored: as one of *stored*, which may be *type_* itself."""
    if type_.name == crds.RESOURCE:
        obj = _packed(obj)
    renamed = obj if stored is type_ else _renamed(obj, CORE_NAMES)
    if not type_.custom and (older := _older(type_, str(obj.get("apiVersion", "")).rpartition("/")[2])):
        renamed = older[0](renamed)
    return {**renamed, "apiVersion": stored.api_version(), "kind": stored.kind}


def from_storage(obj: Obj, type_: ResourceType, version: str = "") -> Obj:
    """A stored *obj* in *version* of *type_*; *obj* itself where nothing differs."""
    api_version = type_.api_version(version)
    if type_.name == crds.RESOURCE:
        return _whole(obj)
    if type_.custom and not _is_plain(type_):
        return seen_by(obj, type_, version or type_.storage_version)
    if obj.get("apiVersion") == api_version:
        return obj
    renamed = obj if type_.stored_as == type_.name else _renamed(obj, _NEW_NAMES)
    if not type_.custom and (older := _older(type_, version)):
        renamed = older[1](renamed)
    return {**renamed, "apiVersion": api_version}


def _older(type_: ResourceType, version: str) -> tuple[Callable[[Obj], Obj], Callable[[Obj], Obj]] | None:
    """How objects get from *version* to the stored one, and back, where they differ."""
    return catalogue.of(type_).older.get(version)


def _renamed(obj: Obj, names: dict[str, str]) -> Obj:
    return {names.get(key, key): value for key, value in obj.items()}


def _is_plain(type_: ResourceType) -> bool:
    """Whether all of its versions, and all that was ever stored, have the same schema."""
    if "plain" not in type_.derived:
        schemas = [own_schema(type_, each) for each in type_.versions]
        unchanged = type_.revision.rpartition("/")[2] == "1"
        type_.derived["plain"] = unchanged and all(each == schemas[0] for each in schemas)
    found: bool = type_.derived["plain"]
    return found


def seen_by(obj: Obj, type_: ResourceType, version: str) -> Obj:
    """*obj* with the fields of *version* and its defaults."""
    made = {**mutable(obj), "apiVersion": type_.api_version(version)}
    try:
        made = prune(made, schema_of(type_, version), custom=True)[0]
    except ValueError:  # of metadata: it is shown as it is
        return made
    catalogue.of(type_, version).default(made)
    return made


def _whole(definition: Obj) -> Obj:
    """A stored *definition* with its schemas."""
    return _with_schemas(definition, unpacked)


def _packed(definition: Obj) -> Obj:
    """A *definition* with its schemas as they are stored."""
    spec = definition.get("spec") or {}
    name = f"{spec.get('group')}/{(spec.get('names') or {}).get('kind')}"
    return _with_schemas(definition, lambda schema: packed(schema, name))


def _with_schemas(definition: Obj, change: Callable[[Obj], Obj]) -> Obj:
    spec = definition.get("spec") or {}
    versions = [
        {**each, "schema": {"openAPIV3Schema": change(schema)}}
        if (schema := (each.get("schema") or {}).get("openAPIV3Schema")) is not None
        else each
        for each in spec.get("versions") or ()
    ]
    return {**definition, "spec": {**spec, "versions": versions}} if versions else definition
