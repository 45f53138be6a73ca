"""``metadata.managedFields``: who set which field, and how it changes when somebody writes.

A manager is known by its name, the way it writes (Apply or Update) and the subresource; an updater
also by the version it used. Update takes what it changes from everybody else; Apply owns exactly
what it mentions, and conflicts with others over values it would change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from labkit.embedded.api.merge.fieldsets import Comparison, FieldSet, Path, decode, encode, outside, show
from labkit.embedded.api.types import golang
from labkit.embedded.objects import Obj
from labkit.embedded.status import ApiError

_MOST_UPDATERS = 10
_ANCIENT = "ancient-changes"
_HEADER: tuple[Path, ...] = tuple(
    tuple(f"f:{part}" for part in path.split("/"))
    for path in (
        "apiVersion",
        "kind",
        "metadata/name",
        "metadata/namespace",
        "metadata/creationTimestamp",
        "metadata/selfLink",
        "metadata/uid",
        "metadata/clusterName",
        "metadata/generation",
        "metadata/managedFields",
        "metadata/resourceVersion",
    )
)
_NEVER_OWNED: FieldSet = {*_HEADER, ("f:metadata",)}


@dataclass(frozen=True)
class Manager:
    """Who writes."""

    name: str
    operation: str
    """``Apply`` or ``Update``."""
    subresource: str = ""
    api_version: str = ""
    """Of an updater; one applier is the same in all versions."""

    def __str__(self) -> str:
        shown = golang.quoted(self.name)
        if self.subresource:
            shown += f" with subresource {golang.quoted(self.subresource)}"
        return shown + (f" using {self.api_version}" if self.operation == "Update" else "")


@dataclass(frozen=True)
class Owned:
    """What a manager owns, in which version's terms, since when."""

    fields: FieldSet
    api_version: str
    time: str = ""
    encoded: Obj | None = None
    """``fieldsV1`` as it was read, where nothing has changed since."""


Managers: TypeAlias = dict[Manager, Owned]


def read(entries: Any) -> Managers:
    """The managers of ``managedFields``; nobody where it can't be read."""
    found: Managers = {}
    for entry in entries or ():
        operation, api_version = entry.get("operation"), entry.get("apiVersion", "")
        if operation not in ("Apply", "Update") or not api_version or entry.get("fieldsType") != "FieldsV1":
            return {}
        own_version = api_version if operation == "Update" else ""
        manager = Manager(entry.get("manager", ""), operation, entry.get("subresource", ""), own_version)
        tree = entry.get("fieldsV1") or {}
        found[manager] = Owned(decode(tree), api_version, entry.get("time", ""), tree)
    return found


def write(managers: Managers) -> list[Obj]:
    """``managedFields`` of *managers*: appliers first, then by age."""
    entries = [_entry(manager, owned) for manager, owned in managers.items() if owned.fields]
    return sorted(
        entries,
        key=lambda each: (
            each["operation"],
            each.get("time", ""),
            each["manager"],
            each["apiVersion"],
            each.get("subresource", ""),
        ),
    )


def _entry(manager: Manager, owned: Owned) -> Obj:
    entry: Obj = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": owned.api_version,
        "time": owned.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": owned.encoded or encode(owned.fields),
        "subresource": manager.subresource,
    }
    return {key: value for key, value in entry.items() if value not in ("", None)}


def own(fields: FieldSet) -> FieldSet:
    """*fields* without those nobody owns."""
    return fields - _NEVER_OWNED


def update(managers: Managers, writer: Manager, change: Comparison, now: str) -> Managers:
    """After *writer* has made *change* by anything but Apply."""
    left = _without(managers, change)
    taken = own(change.touched)
    if taken:
        before = left[writer].fields if writer in left else set()
        left[writer] = Owned(before | taken, writer.api_version, now)
    return _capped(left)


def _without(managers: Managers, change: Comparison, keep: Manager | None = None) -> Managers:
    """*managers* without the fields of *change*, and without those who then own nothing."""
    gone = change.touched | change.removed
    left = {
        manager: owned if manager == keep or owned.fields.isdisjoint(gone) else _less(owned, gone)
        for manager, owned in managers.items()
    }
    return {manager: owned for manager, owned in left.items() if owned.fields}


def _less(owned: Owned, gone: FieldSet) -> Owned:
    return replace(owned, fields=owned.fields - gone, encoded=None)


def _capped(managers: Managers) -> Managers:
    """Fold the oldest updaters of a version together, so that their number stays small."""
    updaters = sorted(
        (each for each in managers if each.operation == "Update"),
        key=lambda each: (managers[each].time, each.name),
    )
    for oldest in updaters[: max(len(updaters) - _MOST_UPDATERS, 0)]:
        bucket = Manager(_ANCIENT, "Update", "", oldest.api_version)
        owned = managers.pop(oldest)
        before = managers[bucket].fields if bucket in managers else set()
        managers[bucket] = replace(owned, fields=owned.fields | before, encoded=None)
    return managers


def conflicts(managers: Managers, applier: Manager, change: Comparison) -> list[tuple[Manager, Path]]:
    """The fields others own that *applier* would give another value."""
    touched = change.touched
    return [
        (manager, path)
        for manager, owned in sorted(managers.items(), key=lambda item: str(item[0]))
        if manager != applier
        for path in sorted(owned.fields & touched)
    ]


def apply(managers: Managers, applier: Manager, owned: Owned, change: Comparison) -> Managers:
    """After *applier* has applied what *owned* mentions, which made *change*."""
    return _without({**managers, applier: owned}, change, keep=applier)


def conflict_error(found: Iterable[tuple[Manager, Path]]) -> ApiError:
    """The 409 that tells an applier whom it would overrule, and where."""
    found = list(found)
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": show(path)}
        for manager, path in found
    ]
    if len(found) == 1:
        message = f"Apply failed with 1 conflict: conflict with {found[0][0]}: {show(found[0][1])}"
    else:
        message = f"Apply failed with {len(found)} conflicts: " + "\n".join(_grouped(found))
    return ApiError(409, "Conflict", message, {"causes": causes})


def _grouped(found: list[tuple[Manager, Path]]) -> list[str]:
    lines: list[str] = []
    for manager in dict.fromkeys(manager for manager, _ in found):
        lines.append(f"conflicts with {manager}:")
        lines += [f"- {show(path)}" for owner, path in found if owner == manager]
    return lines


def visible(fields: FieldSet, hidden: tuple[Path, ...]) -> FieldSet:
    """The *fields* a write through this door can own: status through ``/status``, all else not."""
    return own(outside(fields, hidden))
