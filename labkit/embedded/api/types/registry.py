"""The types that are served now, and whatever is worked out from all of them.

Discovery, OpenAPI, decoding and the HTTP handlers are handed this one object. A type that comes, changes
or goes begins a new generation, and what was derived from the old one (:meth:`Registry.derived`) is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from labkit.embedded.api.types.resources import ResourceType, qualified, split_api_version
from labkit.embedded.api.types.versions import version_priority

T = TypeVar("T")


class Registry(Mapping[str, ResourceType]):
    """All types by name (``pods``, ``deployments.apps``), with the look-ups a request needs."""

    def __init__(self, types: Iterable[ResourceType]) -> None:
        self.generation = 0
        """Counts the changes of what is served."""
        self._by_name: dict[str, ResourceType] = {}
        self._by_kind: dict[tuple[str, str], ResourceType] = {}
        self._derived: dict[Hashable, Any] = {}
        self._set({each.name: each for each in types})

    def add(self, type_: ResourceType) -> None:
        """Serve *type_* from now on, in the place of one with its name."""
        known = self._by_name.get(type_.name)
        if known is not None and known.kind != type_.kind:
            self._set({**self._by_name, type_.name: type_})
            return
        self.generation += 1
        self._by_name = {**self._by_name, type_.name: type_}  # anew: a thread may go through the old one
        self._by_kind = {**self._by_kind, (type_.group, type_.kind): type_}
        self._derived = {}

    def remove(self, name: str) -> None:
        """Serve it no longer; KeyError where it is not served."""
        self._set({each.name: each for each in self.values() if each is not self[name]})

    def _set(self, types: dict[str, ResourceType]) -> None:
        self.generation += 1
        self._by_name = types
        self._by_kind = {(each.group, each.kind): each for each in types.values()}
        self._derived = {}

    def derived(self, key: Hashable, make: Callable[[], T]) -> T:
        """What *make* gives, made once for each generation.

        It may be made in a thread: what was begun before a change is not kept after it.
        """
        kept = self._derived
        if key not in kept:
            kept[key] = make()
        found: T = kept[key]
        return found

    def __getitem__(self, name: str) -> ResourceType:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def find(self, group: str, version: str, plural: str) -> ResourceType | None:
        """The type served at ``/apis/{group}/{version}/…/{plural}``."""
        found = self._by_name.get(qualified(plural, group))
        return found if found and version in found.versions else None

    def find_kind(self, api_version: str, kind: str) -> ResourceType | None:
        """The type of an object with this apiVersion and kind."""
        group, version = split_api_version(api_version)
        found = self._by_kind.get((group, kind))
        return found if found and version in found.versions else None

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Group → its versions, preferred first; in the order of a real server's ``/apis``."""
        versions: dict[str, dict[str, None]] = {}
        for each in self.values():
            versions.setdefault(each.group, {}).update(dict.fromkeys(each.versions))
        return {group: tuple(sorted(found, key=version_priority)) for group, found in versions.items()}

    def of(self, group: str, version: str) -> list[ResourceType]:
        """The types of one group version, by plural."""
        found = [each for each in self.values() if each.group == group and version in each.versions]
        return sorted(found, key=lambda each: each.plural)
