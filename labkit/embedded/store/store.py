"""All objects, decoded, in memory; every write on disk before anybody sees it.

Reads are dictionary look-ups and hand out shared objects (read-only). A write goes to SQLite
first; only when that transaction stands does memory change and are listeners told, so a full disk
leaves both as they were. One asyncio loop calls all this, hence no locks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from labkit.embedded.objects import Obj, at_revision, name_of, namespace_of
from labkit.embedded.store.database import Database
from labkit.embedded.store.history import Change, History
from labkit.embedded.store.rows import Check, revision_of

EVERYTHING = "*"
"""In the place of a resource: all there are, and all that come."""
Listener = Callable[[Change], None]


class Store:
    """Objects by resource (``pods``, ``deployments.apps``), namespace and name; one rising revision."""

    def __init__(
        self, path: Path, check: Check = lambda resource, obj: None, first: Sequence[str] = ()
    ) -> None:
        """*check* raises ValueError for what was stored and can't be used: that is moved aside.

        It sees the objects of the resources *first* before all others.
        """
        self.path = path
        self._database = Database(path)
        self._objects: dict[str, dict[str, dict[str, Obj]]] = {}
        self._listeners: dict[str, dict[Listener, None]] = {}
        newest = self._database.revision()
        for resource, obj in self._database.objects(check, first):
            self._keep(resource, obj)
            newest = max(newest, revision_of(obj))
        self._revision = self._database.jump(newest)
        self._history = History(self._revision)

    @property
    def notes(self) -> list[str]:
        """What was wrong with the file when it was opened, a sentence each."""
        return self._database.notes

    @property
    def revision(self) -> int:
        """The newest resourceVersion."""
        return self._revision

    def get(self, resource: str, name: str, namespace: str = "") -> Obj | None:
        """One object, to be read only."""
        return self._objects.get(resource, {}).get(namespace, {}).get(name)

    def objects(self, resource: str, namespace: str = "") -> list[Obj]:
        """By namespace and name, of all namespaces where *namespace* is empty."""
        spaces = self._objects.get(resource, {})
        names = [namespace] if namespace else sorted(spaces)
        return [obj for space in names for _, obj in sorted(spaces.get(space, {}).items())]

    @property
    def resources(self) -> list[str]:
        """Those of which there is an object."""
        return [each for each, spaces in self._objects.items() if spaces]

    def put(self, resource: str, obj: Obj) -> Obj:
        """Write *obj* (new or changed) under the next revision; returns it as stored."""
        revision = self._revision + 1
        stored = at_revision(obj, revision)
        previous = self.get(resource, name_of(obj), namespace_of(obj))
        self._database.put(resource, stored, revision)
        self._keep(resource, stored)
        self._tell(Change(revision, "MODIFIED" if previous else "ADDED", resource, stored, previous))
        return stored

    def remove(self, resource: str, obj: Obj) -> Obj:
        """Remove what *obj* names; returns its last state under the deletion's revision."""
        revision = self._revision + 1
        last = at_revision(obj, revision)
        self._database.remove(resource, last, revision)
        previous = self._drop(resource, obj)
        self._tell(Change(revision, "DELETED", resource, last, previous))
        return last

    def changes(self, resource: str, since: int) -> list[Change]:
        """Every change after revision *since*; ApiError 410 where some are forgotten."""
        return self._history.since(resource, since)

    def subscribe(self, resources: Iterable[str], listener: Listener) -> Callable[[], None]:
        """Call *listener* with every later change, inside the write; returns the way to stop."""
        names = tuple(resources)
        for resource in names:
            self._listeners.setdefault(resource, {})[listener] = None

        def stop() -> None:
            for resource in names:
                self._listeners[resource].pop(listener, None)

        return stop

    def close(self) -> None:
        """Close the file; later writes are refused."""
        self._database.close()

    def _keep(self, resource: str, obj: Obj) -> None:
        spaces = self._objects.setdefault(resource, {})
        spaces.setdefault(namespace_of(obj), {})[name_of(obj)] = obj

    def _drop(self, resource: str, obj: Obj) -> Obj:
        spaces, namespace = self._objects[resource], namespace_of(obj)
        previous = spaces[namespace].pop(name_of(obj))
        if not spaces[namespace]:
            del spaces[namespace]
        return previous

    def _tell(self, change: Change) -> None:
        self._revision = change.revision
        self._history.append(change)
        every = self._listeners.get(EVERYTHING, {})
        for listener in (*self._listeners.get(change.resource, ()), *every):
            listener(change)
