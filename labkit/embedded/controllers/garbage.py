"""Garbage collection by owner references.

Background: an object none of whose owners is left is deleted. Foreground: an owner that carries the
``foregroundDeletion`` finalizer waits until what it owns (and blocks it) is gone. Orphan: an owner
that carries ``orphan`` is first removed from the references of what it owns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from labkit.embedded.controllers.runtime import Key
from labkit.embedded.interfaces import EVERYTHING, Client, WatchEvent
from labkit.embedded.objects import Obj, is_terminating, mutable, name_of, namespace_of, uid_of

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


class GarbageCollector:
    """Follows the owner references of everything there is; keys are (resource, namespace/name)."""

    resources = (EVERYTHING,)

    def __init__(self, client: Client, kinds: Mapping[tuple[str, str], str]) -> None:
        """*kinds*: (group, kind) → resource, for what may own something."""
        self._client, self._kinds = client, kinds
        self._owned: dict[str, set[Key]] = {}

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The object; where it is gone or going, also what it owns; where it is gone, also its owners."""
        obj = event.object
        key = (event.resource, f"{namespace_of(obj)}/{name_of(obj)}")
        if event.type == "DELETED":
            self._forget(obj, key)
            return [*self._owned.pop(uid_of(obj), ()), *self._owner_keys(obj)]
        for reference in _references(obj):
            self._owned.setdefault(reference.get("uid", ""), set()).add(key)
        if is_terminating(obj):
            return [key, *self._owned.get(uid_of(obj), ())]
        return [key] if _references(obj) else []

    def _forget(self, obj: Obj, key: Key) -> None:
        for reference in _references(obj):
            uid = reference.get("uid", "")
            owned = self._owned.get(uid, set())
            owned.discard(key)
            if not owned:  # or the uids of all ReplicaSets there ever were would stay
                self._owned.pop(uid, None)

    def _owner_keys(self, obj: Obj) -> list[Key]:
        found = []
        for reference in _references(obj):
            resource = self._resource(reference)
            if resource:
                found.append((resource, f"{namespace_of(obj)}/{reference['name']}"))
        return found

    def reconcile(self, key: Key) -> None:
        """Delete what nobody owns any more; let an owner go that waited for what it owned."""
        namespace, _, name = key[1].partition("/")
        obj = self._client.find(key[0], name, namespace)
        if obj is None:
            return
        if is_terminating(obj):
            self._finish(key[0], obj)
        else:
            self._collect(key[0], obj)

    def _collect(self, resource: str, obj: Obj) -> None:
        """Delete *obj* if no owner is left that stays; else drop the references to those that don't."""
        owners = [(reference, self._owner(obj, reference)) for reference in _references(obj)]
        staying = [reference for reference, owner in owners if owner is not None and not _awaits(owner)]
        awaited = [owner for _, owner in owners if owner is not None and _awaits(owner)]
        if owners and not staying:
            propagation = "Foreground" if awaited else "Background"
            self._client.delete(
                resource, name_of(obj), namespace_of(obj), propagation=propagation, uid=uid_of(obj)
            )
        elif len(staying) < len(owners):
            self._refer(resource, obj, staying)

    def _finish(self, resource: str, owner: Obj) -> None:
        finalizers = _finalizers(owner)
        if ORPHAN in finalizers:
            for dependent_resource, dependent in self._dependents(owner):
                self._disown(dependent_resource, dependent, owner)
            self._drop(resource, owner, ORPHAN)
        elif FOREGROUND in finalizers:
            dependents = self._dependents(owner)
            for dependent_resource, dependent in dependents:
                if not is_terminating(dependent):
                    self._collect(dependent_resource, dependent)
            if not any(_blocks(dependent, owner) for _, dependent in self._dependents(owner)):
                self._drop(resource, owner, FOREGROUND)

    def _dependents(self, owner: Obj) -> list[tuple[str, Obj]]:
        found = []
        for resource, path in self._owned.get(uid_of(owner), ()):
            namespace, _, name = path.partition("/")
            obj = self._client.find(resource, name, namespace)
            if obj and any(reference.get("uid") == uid_of(owner) for reference in _references(obj)):
                found.append((resource, obj))
        return found

    def _disown(self, resource: str, obj: Obj, owner: Obj) -> None:
        self._refer(resource, obj, [each for each in _references(obj) if each.get("uid") != uid_of(owner)])

    def _refer(self, resource: str, obj: Obj, references: list[Obj]) -> None:
        metadata = {**obj["metadata"], "ownerReferences": references}
        self._client.update(resource, {**mutable(obj), "metadata": metadata})

    def _drop(self, resource: str, obj: Obj, finalizer: str) -> None:
        changed = mutable(obj)
        changed["metadata"]["finalizers"] = [each for each in _finalizers(obj) if each != finalizer]
        self._client.update(resource, changed)

    def _owner(self, obj: Obj, reference: Obj) -> Obj | None:
        """The owner that *reference* means: same name and same uid."""
        resource = self._resource(reference)
        if resource is None:
            return {"metadata": {}}  # a kind this cluster does not know: leave the object alone
        found = self._client.find(resource, reference["name"], namespace_of(obj)) or self._client.find(
            resource, reference["name"]
        )
        return found if found is not None and uid_of(found) == reference.get("uid") else None

    def _resource(self, reference: Obj) -> str | None:
        group, _, _ = reference.get("apiVersion", "").rpartition("/")
        return self._kinds.get((group, reference.get("kind", "")))


def _references(obj: Obj) -> list[Obj]:
    return obj.get("metadata", {}).get("ownerReferences") or []


def _finalizers(obj: Obj) -> list[str]:
    return obj.get("metadata", {}).get("finalizers") or []


def _awaits(owner: Obj) -> bool:
    """Whether *owner* is going, but only after what it owns."""
    return is_terminating(owner) and FOREGROUND in _finalizers(owner)


def _blocks(obj: Obj, owner: Obj) -> bool:
    return any(
        reference.get("uid") == uid_of(owner) and reference.get("blockOwnerDeletion")
        for reference in _references(obj)
    )
