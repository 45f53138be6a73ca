"""What controllers want to know of all kinds, as a registry has them at the moment of asking."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from labkit.embedded.api.types.registry import Registry


class Kinds(Mapping[tuple[str, str], str]):
    """(group, kind) → the resource its objects are stored as."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def _now(self) -> dict[tuple[str, str], str]:
        return self._registry.derived(
            "kinds", lambda: {(e.group, e.kind): e.stored_as for e in self._registry.values() if e.persisted}
        )

    def __getitem__(self, key: tuple[str, str]) -> str:
        return self._now()[key]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())


class Namespaced(Collection[str]):
    """The resources whose objects live in namespaces, by the names they are stored under."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def _now(self) -> list[str]:
        return self._registry.derived(
            "namespaced",
            lambda: [
                e.name
                for e in self._registry.values()
                if e.persisted and e.namespaced and e.stored_as == e.name
            ],
        )

    def __contains__(self, name: object) -> bool:
        return name in self._now()

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())
