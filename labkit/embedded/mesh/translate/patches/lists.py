"""Patches to things that stand in a list: filters, routes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from labkit.embedded.mesh.envoy_filters import Patch
from labkit.embedded.mesh.snapshot import Resource
from labkit.embedded.mesh.translate.patches.values import made

IsMeant = Callable[[Resource], bool]


def edited(items: list[Resource], patch: Patch, is_meant: IsMeant | None) -> list[Resource]:
    """*items* with one more, or without some; *is_meant* tells those that the patch names, if it does.

    One that names none of them goes to the front, or to the end; one that does acts at the first.
    """
    operation = patch.operation
    if operation == "ADD" or (operation == "INSERT_AFTER" and is_meant is None):
        return [*items, _new(patch)]
    if operation == "INSERT_FIRST" or (operation == "INSERT_BEFORE" and is_meant is None):
        return [_new(patch), *items]
    if operation == "MERGE" or is_meant is None:
        return items
    if operation == "REMOVE":
        return [each for each in items if not is_meant(each)]
    return _at(items, patch, next((place for place, each in enumerate(items) if is_meant(each)), None))


def _at(items: list[Resource], patch: Patch, place: int | None) -> list[Resource]:
    if place is None:
        return items
    first = place + (patch.operation == "INSERT_AFTER")
    last = place + (patch.operation in ("INSERT_AFTER", "REPLACE"))
    return [*items[:first], _new(patch), *items[last:]]


def _new(patch: Patch) -> Resource:
    return made(patch.apply_to, patch.value)


def of(patches: Iterable[Patch], applies_to: str, *operations: str) -> list[Patch]:
    """Those applied to *applies_to*, with one of *operations* if any is named."""
    return [
        each
        for each in patches
        if each.apply_to == applies_to and each.operation in (operations or (each.operation,))
    ]


def named(name: object) -> IsMeant | None:
    """Things called *name*; None where that is nothing."""
    return (lambda each: each.get("name") == name) if name else None
