"""Deployment → ReplicaSets: rolling update, Recreate, pause, scaling, revision history.

The rules are those of ``pkg/controller/deployment`` in Kubernetes: the new ReplicaSet grows as
maxSurge allows while the old ones shrink as maxUnavailable allows. A reconcile is one step; what it
changes brings the next one.
"""

from __future__ import annotations

from collections.abc import Iterable

from labkit.embedded.controllers.deployment_status import is_complete, status_of
from labkit.embedded.controllers.ownership import claim, keys_of
from labkit.embedded.controllers.replicasets import REPLICASETS
from labkit.embedded.controllers.revisions import (
    REVISION,
    divided,
    new_annotations,
    new_replica_set,
    revision,
)
from labkit.embedded.controllers.rollout import (
    Size,
    desired,
    is_scaled,
    new_size,
    old_sizes,
    resized,
    size,
    sizes,
)
from labkit.embedded.controllers.runtime import Key
from labkit.embedded.events import Recorder
from labkit.embedded.interfaces import Client, WatchEvent
from labkit.embedded.objects import (
    Obj,
    annotations_of,
    controller_of,
    is_terminating,
    mutable,
    name_of,
    namespace_of,
    uid_of,
)

DEPLOYMENTS = "deployments.apps"


class Deployments:
    """Brings each Deployment's ReplicaSets to what it asks for."""

    resources = (DEPLOYMENTS, REPLICASETS, "pods")

    def __init__(self, client: Client) -> None:
        self._client = client
        self._events = Recorder(client, "deployment-controller")

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The Deployment itself, or the one that owns the ReplicaSet (or might adopt it)."""
        if event.resource == "pods":
            return self._keys_of_pod(event)
        return keys_of(self._client, event, DEPLOYMENTS, "Deployment")

    def _keys_of_pod(self, event: WatchEvent) -> list[Key]:
        """Recreate waits for the last old pod to be gone, which no ReplicaSet's status tells."""
        owner = controller_of(event.object)
        if event.type != "DELETED" or owner is None or owner["kind"] != "ReplicaSet":
            return []
        replica_set = self._client.find(REPLICASETS, owner["name"], namespace_of(event.object))
        above = controller_of(replica_set or {})
        return [(namespace_of(event.object), above["name"])] if above else []

    def reconcile(self, key: Key) -> float | None:
        """One step of the rollout, then the status."""
        found = self._client.find(DEPLOYMENTS, key[1], key[0])
        if found is None or is_terminating(found):
            return None
        self._number(found)
        self._resize(found)
        paused = found["spec"].get("paused")
        if not paused:
            self._roll(found)
        again = self._write_status(key)
        if paused or is_complete(self._client.get(DEPLOYMENTS, key[1], key[0])):
            self._forget(found)
        return again

    def _sets(self, found: Obj) -> tuple[Obj | None, list[Obj]]:
        return divided(found, claim(self._client, REPLICASETS, found))

    def _number(self, found: Obj) -> None:
        """Keep the present ReplicaSet's revision, annotations and minReadySeconds up to date."""
        new, old = self._sets(found)
        if new is None:
            return
        annotations = new_annotations(found, new, old)
        waits = found["spec"].get("minReadySeconds", 0)
        if not annotations.items() <= annotations_of(new).items() or waits != _waits(new):
            patch = {"metadata": {"annotations": annotations}, "spec": {"minReadySeconds": waits}}
            new = self._client.patch(REPLICASETS, name_of(new), namespace_of(new), patch)
        self._note_revision(found, new)

    def _note_revision(self, found: Obj, new: Obj) -> None:
        if revision(found) != revision(new):
            patch = {"metadata": {"annotations": {REVISION: str(revision(new))}}}
            self._client.patch(DEPLOYMENTS, name_of(found), namespace_of(found), patch)

    def _resize(self, found: Obj) -> None:
        """Follow a change of ``spec.replicas``, also while paused or in the middle of a rollout."""
        new, old = self._sets(found)
        if is_scaled(found, [*old, *([new] if new else [])]) or found["spec"].get("paused"):
            self._scale_all(found, resized(found, new, old))

    def _roll(self, found: Obj) -> None:
        if found["spec"].get("strategy", {}).get("type") == "Recreate":
            self._recreate(found)
            return
        new, old = self._sets(found)
        if new is None:
            new = self._make(found, old)
        else:
            self._scale(found, new, new_size(found, new, old))
        new, old = self._sets(found)
        if new is not None:
            self._scale_all(found, old_sizes(found, new, old))

    def _recreate(self, found: Obj) -> None:
        """All old pods go before the first new one comes."""
        new, old = self._sets(found)
        self._scale_all(found, ((each, 0) for each in old))
        gone = {uid_of(each) for each in old}
        pods = self._client.list("pods", namespace_of(found))
        if any((controller_of(pod) or {}).get("uid") in gone for pod in pods):
            return
        if new is None:
            self._make(found, old)
        else:
            self._scale(found, new, desired(found))

    def _make(self, found: Obj, old: list[Obj]) -> Obj:
        """Create the ReplicaSet of the present template, as large as it may be."""
        wanted = new_replica_set(found, old)
        wanted["spec"]["replicas"] = new_size(found, wanted, old)
        new = self._client.create(REPLICASETS, wanted)
        self._note_revision(found, new)
        if size(new):
            self._tell(found, new, 0, size(new))
        return new

    def _scale_all(self, found: Obj, changes: Iterable[Size]) -> None:
        for each, replicas in list(changes):
            self._scale(found, each, replicas)

    def _scale(self, found: Obj, each: Obj, replicas: int) -> None:
        before, annotations = size(each), sizes(found)
        if before == replicas and annotations.items() <= annotations_of(each).items():
            return
        patch = {"metadata": {"annotations": annotations}, "spec": {"replicas": replicas}}
        self._client.patch(REPLICASETS, name_of(each), namespace_of(each), patch)
        if before != replicas:
            self._tell(found, each, before, replicas)

    def _tell(self, found: Obj, each: Obj, before: int, replicas: int) -> None:
        word = "up" if replicas > before else "down"
        message = f"Scaled {word} replica set {name_of(each)} from {before} to {replicas}"
        self._events.event(found, "Normal", "ScalingReplicaSet", message)

    def _forget(self, found: Obj) -> None:
        """Delete the earliest revisions beyond revisionHistoryLimit, if none of their pods is left."""
        _, old = self._sets(found)
        old = [each for each in old if not is_terminating(each)]
        surplus = max(0, len(old) - found["spec"].get("revisionHistoryLimit", 10))
        for each in sorted(old, key=revision)[:surplus]:
            if not size(each) and not each.get("status", {}).get("replicas"):
                self._client.delete(REPLICASETS, name_of(each), namespace_of(each))

    def _write_status(self, key: Key) -> float | None:
        found = self._client.get(DEPLOYMENTS, key[1], key[0])
        status, again = status_of(found, *self._sets(found))
        if status != found.get("status"):
            self._client.update_status(DEPLOYMENTS, mutable(found) | {"status": status})
        return again


def _waits(each: Obj) -> int:
    return int(each["spec"].get("minReadySeconds", 0))
