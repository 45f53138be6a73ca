"""Server-side apply, and the tracking of who set what on every other write.

``kubectl apply --server-side`` sends the fields its user cares about. They are laid over the live
object; fields the same manager applied before and no longer mentions go, unless somebody else owns
them; a value somebody else owns and that would change is a conflict, unless forced.
"""

from __future__ import annotations

import copy
import datetime as dt
import json

from labkit.embedded.api.kinds import catalogue
from labkit.embedded.api.kinds.zero import zero_object
from labkit.embedded.api.merge import managed
from labkit.embedded.api.merge.applied import canonical, checked
from labkit.embedded.api.merge.fieldsets import (
    Comparison,
    FieldSet,
    Path,
    compare,
    fields_of,
    with_named_parents,
)
from labkit.embedded.api.merge.managed import Manager, Managers, Owned
from labkit.embedded.api.merge.merging import merge, remove
from labkit.embedded.api.request import yaml_keys
from labkit.embedded.api.request.bodies import parse, parse_yaml
from labkit.embedded.api.request.decode import Decoded, FieldValidation
from labkit.embedded.api.types import golang
from labkit.embedded.api.types.decoding import prune
from labkit.embedded.api.types.resources import OF_STATUS, ResourceType
from labkit.embedded.api.types.schemas import Schema, schema_of
from labkit.embedded.objects import Obj, annotations_of, timestamp
from labkit.embedded.status import ApiError, bad_request

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_BEFORE_FIRST_APPLY = "before-first-apply"
_METADATA: Path = ("f:metadata",)
_NAME: Path = (*_METADATA, "f:name")


def server_side_apply(
    live: Obj | None,
    body: bytes,
    type_: ResourceType,
    version: str = "",
    *,
    manager: str,
    force: bool = False,
    subresource: str = "",
    field_validation: FieldValidation = "Warn",
    now: dt.datetime | None = None,
) -> Decoded:
    """The object after *body* (YAML or JSON) is applied to *live* (``None``: it is created).

    The result is in the request's version, with defaults and ``managedFields``, and equal to *live*
    where nothing changed. ApiError 409 for conflicts, 400 for a body that is no such object, 500 (as
    the real server) for one that does not fit the schema.
    """
    version = version or type_.storage_version
    schema = schema_of(type_, version)
    parsed = parse(body, "application/yaml")
    config = canonical(checked(parsed.value, type_, version, schema), type_, schema)
    before = {**(live or zero_object(type_)), "apiVersion": type_.api_version(version)}
    operation = _Apply(type_, version, schema, before, config, subresource, timestamp(now))
    try:
        result = operation.run(Manager(manager, "Apply", subresource), force)
    except ValueError as error:  # a keyed list of the live object has an item without its key
        raise ApiError(500, "", f"failed to create typed live object: {error}") from error
    repeated = parse_yaml(body).repeated if parsed.duplicates else parsed.repeated  # JSON is YAML, too
    if repeated and field_validation == "Strict":
        why = yaml_keys.error(repeated)
        raise bad_request(f"error strict decoding YAML: error converting YAML to JSON: {why}")
    return Decoded(result, repeated if field_validation == "Warn" else [])


class _Apply:
    """One apply: the live object, what is applied to it, and under which rules."""

    def __init__(
        self,
        type_: ResourceType,
        version: str,
        schema: Schema,
        live: Obj,
        config: Obj,
        subresource: str,
        now: str,
    ) -> None:
        self.type, self.schema, self.live, self.config, self.now = type_, schema, live, config, now
        self.api_version = type_.api_version(version)
        self.hidden = hidden_fields(type_, subresource, version)
        self.kind = catalogue.of(type_, version if type_.custom else "")

    def run(self, applier: Manager, force: bool) -> Obj:
        managers = self._known_managers()
        merged = merge(_unmanaged(self.live), self.config, self.schema)
        mine = managed.visible(fields_of(self.config, self.schema), self.hidden)
        merged = self._pruned(merged, managers, applier, mine)
        change = compare(_unmanaged(self.live), merged, self.schema).without(self.hidden)
        self._refuse_conflicts(managers, applier, change, force)
        owned = self._owned(managers.get(applier), mine, changed=merged != _unmanaged(self.live))
        managers = managed.apply(managers, applier, owned, change)
        return self._finish(merged, managers, applier)

    def _known_managers(self) -> Managers:
        """Who owns the live object; an object from before the first apply belongs to its past."""
        managers = managed.read(self.live["metadata"].get("managedFields"))
        if managers or not self.live["metadata"].get("uid"):
            return managers
        past = Manager(_BEFORE_FIRST_APPLY, "Update", "", self.api_version)
        change = compare(zero_object(self.type), _unmanaged(self.live), self.schema)
        return managed.update({}, past, change.without(self.hidden), self.now)

    def _pruned(self, merged: Obj, managers: Managers, applier: Manager, mine: FieldSet) -> Obj:
        """*merged* without what the applier gave up and nobody else holds."""
        last = managed.own(managers[applier].fields) if applier in managers else set()
        if not last - mine:
            return merged

        def named(fields: FieldSet) -> FieldSet:
            return with_named_parents(fields, self.schema)

        def all_of(obj: Obj) -> FieldSet:
            return named(fields_of(obj, self.schema))

        others = (owned.fields for each, owned in managers.items() if each != applier)
        held = mine.union({_NAME}, *others)  # nobody owns a name, and every apply says it
        everything = all_of(merged)
        without = remove(merged, named(last), self.schema)
        kept = remove(merged, everything - (all_of(without) | named(held)), self.schema)
        # What was dropped only because its parent was: it is somebody's, or nobody's, but not ours.
        result: Obj = remove(merged, (everything - all_of(kept)) & named(last), self.schema)
        return result

    def _refuse_conflicts(
        self, managers: Managers, applier: Manager, change: Comparison, force: bool
    ) -> None:
        found = [] if force else managed.conflicts(managers, applier, change)
        if found and applier.name == "kubectl":
            allowed = self._last_applied_fields()
            found = (
                []
                if {path for _, path in found} <= allowed
                else [each for each in found if each[1] not in allowed]
            )
        if found:
            raise managed.conflict_error(found)

    def _last_applied_fields(self) -> FieldSet:
        """What client-side apply set and nobody has changed since: kubectl may take it over."""
        try:
            last = json.loads(annotations_of(self.live).get(LAST_APPLIED, "null"))
        except ValueError:
            return set()
        if not isinstance(last, dict) or last.get("apiVersion") != self.api_version:
            return set()
        change = compare(canonical(last, self.type, self.schema), self.live, self.schema)
        return fields_of(last, self.schema) - change.touched - change.removed

    def _owned(self, before: Owned | None, mine: FieldSet, changed: bool) -> Owned:
        same = before is not None and before.fields == mine and before.api_version == self.api_version
        return before if before and same and not changed else Owned(mine, self.api_version, self.now)

    def _finish(self, merged: Obj, managers: Managers, applier: Manager) -> Obj:
        result, _ = prune(copy.deepcopy(merged), self.schema, custom=self.type.custom)
        if applier.name == "kubectl" and LAST_APPLIED in annotations_of(result):
            result["metadata"]["annotations"][LAST_APPLIED] = golang.compact(self.config) + "\n"
        self.kind.default(result)
        return with_managers(result, self.live, managers)


def track_update(
    new: Obj,
    old: Obj | None,
    type_: ResourceType,
    manager: str,
    *,
    api_version: str = "",
    version: str = "",
    subresource: str = "",
    now: dt.datetime | None = None,
) -> Obj:
    """*new* (a create, update or patch of *old*) with its ``managedFields`` brought up to date.

    Both are in *version* of *type_* (the stored one where it is empty).
    *new* may carry ``managedFields`` of its own: a client may edit them, or clear them with an empty
    list. *old* is not changed; *new* is, and returned.
    """
    meta = new.setdefault("metadata", {})
    given = meta.pop("managedFields", None)
    if old is not None and given in ([], [{}]):
        return new
    kept = (old or {}).get("metadata", {}).get("managedFields")
    managers = (managed.read(given) if not subresource else {}) or managed.read(kept)
    if old is not None and not managers:
        return new
    schema = schema_of(type_, version)
    before = _unmanaged(old) if old is not None else zero_object(type_)
    try:
        change = compare(before, new, schema).without(hidden_fields(type_, subresource, version))
    except ValueError:  # a keyed list has an item without its key: nobody's fields can be told apart
        return new
    writer = Manager(manager or "unknown", "Update", subresource, api_version or new["apiVersion"])
    managers = managed.update(managers, writer, change, timestamp(now))
    return with_managers(new, old, managers)


def with_managers(new: Obj, old: Obj | None, managers: Managers) -> Obj:
    """*new* with *managers*; where nothing but their times differs from *old*, the old times stay."""
    entries = managed.write(managers)
    before = (old or {}).get("metadata", {}).get("managedFields") or []
    if _timeless(entries) == _timeless(before) and old is not None and _unmanaged(new) == _unmanaged(old):
        entries = before
    new["metadata"] = {key: value for key, value in new["metadata"].items() if key != "managedFields"}
    if entries:
        new["metadata"]["managedFields"] = entries
    return new


def _timeless(entries: list[Obj]) -> list[Obj]:
    plain = [{key: value for key, value in each.items() if key != "time"} for each in entries]
    return sorted(plain, key=golang.compact)


def _unmanaged(obj: Obj) -> Obj:
    meta = {key: value for key, value in obj.get("metadata", {}).items() if key != "managedFields"}
    return {**obj, "metadata": meta}


def hidden_fields(type_: ResourceType, subresource: str, version: str = "") -> tuple[Path, ...]:
    """The fields a write through this door can't change, and so can't own."""
    if not type_.subresource("status"):
        return ()
    if subresource not in OF_STATUS:
        return (("f:status",),)
    fields = schema_of(type_, version)["properties"]
    top = tuple((f"f:{name}",) for name in fields if name not in ("status", "metadata"))
    kept = catalogue.of(type_).metadata_of_status
    metadata = (_METADATA,) if type_.custom else tuple((*_METADATA, f"f:{each}") for each in kept)
    return (*top, *metadata)
