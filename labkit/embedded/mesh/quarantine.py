"""Objects that no proxy can be told of, kept apart so that they stop nothing but themselves.

In the place of such an object stands its last version that did no harm, or nothing. That lasts until
somebody changes the object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.resources import Key, key_of
from labkit.embedded.objects import Obj, annotations_of, labels_of


@dataclass(frozen=True)
class Fault:
    """One object and what is wrong with it."""

    key: Key
    object: Obj
    reason: str
    former: Obj | None = None
    """The version that holds in its place."""

    @property
    def title(self) -> str:
        """``VirtualService default/canary``."""
        _, namespace, name = self.key
        return f"{self.object.get('kind') or self.key[0].partition('.')[0]} {namespace}/{name}"

    @property
    def effect(self) -> str:
        return "its former version stays in force" if self.former is not None else "it has no effect"

    def __str__(self) -> str:
        return f"{self.title}: {self.effect}: {self.reason}"


class Quarantine:
    """The faults that are known."""

    def __init__(self) -> None:
        self._faults: dict[Key, Fault] = {}

    @property
    def faults(self) -> list[Fault]:
        """By name."""
        return [self._faults[key] for key in sorted(self._faults)]

    def add(self, faults: Iterable[Fault]) -> None:
        self._faults |= {each.key: each for each in faults}

    def applied(self, state: MeshState) -> MeshState:
        """*state* around the faults; those whose object has changed since are given another chance."""
        if not self._faults:
            return state
        present = objects_by_key(state)
        self._faults = {
            key: fault for key, fault in self._faults.items() if is_same(present.get(key), fault.object)
        }
        return state.with_others({key: fault.former for key, fault in self._faults.items()})


_IRRELEVANT = ("metadata", "status", "apiVersion", "kind")


def is_same(one: Obj | None, other: Obj | None) -> bool:
    """Whether two versions of an object mean the same to the mesh, whatever their status says."""
    if one is other or one is None or other is None:
        return one is other
    return _meaning(one) == _meaning(other)


def _meaning(obj: Obj) -> tuple[Any, ...]:
    rest = {key: value for key, value in obj.items() if key not in _IRRELEVANT}
    return (obj.get("metadata") or {}).get("uid"), labels_of(obj), annotations_of(obj), rest


def objects_by_key(state: MeshState) -> Mapping[Key, Obj]:
    return {key_of(resource, each): each for resource, those in state.objects.items() for each in those}
