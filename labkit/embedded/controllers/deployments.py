"""Deployment → ReplicaSets: rolling update, Recreate, pause, revision history.

The rules are those of ``pkg/controller/deployment`` in Kubernetes: the new ReplicaSet is the one
whose template equals the Deployment's; it grows as maxSurge allows while the old ones shrink as
maxUnavailable allows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from labkit.embedded.controllers.deployment_status import status_of
from labkit.embedded.controllers.ownership import claim, reference
from labkit.embedded.controllers.replicasets import REPLICASETS
from labkit.embedded.controllers.rollout import available, desired, new_size, old_sizes, size
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
HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
NOT_COPIED = {REVISION, DESIRED, MAXIMUM, "kubectl.kubernetes.io/last-applied-configuration"}
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


class Deployments:
    """Brings each Deployment's ReplicaSets to what it asks for."""

    resources = (DEPLOYMENTS, REPLICASETS)

    def __init__(self, client: Client) -> None:
        self._client = client
        self._events = Recorder(client, "deployment-controller")

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The Deployment itself, or the one that owns the ReplicaSet (or might adopt it)."""
        namespace = namespace_of(event.object)
        if event.resource == DEPLOYMENTS:
            return [(namespace, name_of(event.object))]
        owner = controller_of(event.object)
        if owner is None:
            return [(namespace, name_of(each)) for each in self._client.list(DEPLOYMENTS, namespace)]
        return [(namespace, owner["name"])] if owner["kind"] == "Deployment" else []

    def reconcile(self, key: Key) -> float | None:
        """One step of the rollout; the changes it makes bring the next one."""
        found = self._client.find(DEPLOYMENTS, key[1], key[0])
        if found is None or is_terminating(found):
            return None
        sets = claim(self._client, REPLICASETS, found)
        new = next((each for each in _oldest_first(sets) if _same_template(found, each)), None)
        old = [each for each in sets if each is not new]
        if found["spec"].get("paused"):
            self._scale_paused(found, new, old)
        else:
            new = self._revise(found, new, old)
            self._roll(found, new, old)
            self._forget(found, old)
        return self._write_status(key)

    def _revise(self, found: Obj, new: Obj | None, old: list[Obj]) -> Obj:
        """The new ReplicaSet, made or brought up to date; the Deployment carries its revision."""
        highest = max((int(annotations_of(each).get(REVISION, 0)) for each in old), default=0)
        if new is None:
            new = self._client.create(REPLICASETS, self._new_set(found, highest + 1))
        elif int(annotations_of(new).get(REVISION, 0)) <= highest:
            new = self._annotate(REPLICASETS, new, {REVISION: str(highest + 1)})
        revision = annotations_of(new).get(REVISION, "1")
        if annotations_of(found).get(REVISION) != revision:
            self._annotate(DEPLOYMENTS, found, {REVISION: revision})
        return new

    def _annotate(self, resource: str, obj: Obj, annotations: dict[str, str]) -> Obj:
        patch = {"metadata": {"annotations": annotations}}
        return self._client.patch(resource, name_of(obj), namespace_of(obj), patch)

    def _new_set(self, found: Obj, revision: int) -> Obj:
        template = mutable(found["spec"]["template"])
        digest = template_hash(template)
        labels = {**(template.setdefault("metadata", {}).get("labels") or {}), HASH: digest}
        template["metadata"]["labels"] = labels
        selector = mutable(found["spec"]["selector"])
        selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH: digest}
        kept = {key: text for key, text in annotations_of(found).items() if key not in NOT_COPIED}
        return {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{name_of(found)}-{digest}",
                "namespace": namespace_of(found),
                "labels": dict(labels),
                "annotations": {**kept, **_sizes(found), REVISION: str(revision)},
                "ownerReferences": [reference(found)],
            },
            "spec": {
                "replicas": 0,
                "selector": selector,
                "template": template,
                "minReadySeconds": found["spec"].get("minReadySeconds", 0),
            },
        }

    def _roll(self, found: Obj, new: Obj, old: list[Obj]) -> None:
        if found["spec"].get("strategy", {}).get("type") == "Recreate":
            self._recreate(found, new, old)
            return
        self._scale(found, new, new_size(found, new, old))
        for each, replicas in old_sizes(found, self._current(new), old):
            self._scale(found, each, replicas)

    def _recreate(self, found: Obj, new: Obj, old: list[Obj]) -> None:
        for each in old:
            self._scale(found, each, 0)
        owned = {uid_of(each) for each in old}
        pods = self._client.list("pods", namespace_of(found))
        if not any((controller_of(pod) or {}).get("uid") in owned for pod in pods):
            self._scale(found, new, desired(found))

    def _scale_paused(self, found: Obj, new: Obj | None, old: list[Obj]) -> None:
        """A paused Deployment may be scaled, but does not roll."""
        active = [each for each in [*old, *([new] if new else [])] if size(each)] or ([new] if new else [])
        if len(active) == 1 and active[0] is not None:
            self._scale(found, active[0], desired(found))

    def _scale(self, found: Obj, each: Obj, replicas: int) -> None:
        current = self._current(each)
        before = size(current)
        annotations = _sizes(found)
        if before == replicas and annotations.items() <= annotations_of(current).items():
            return
        patch = {"metadata": {"annotations": annotations}, "spec": {"replicas": replicas}}
        self._client.patch(REPLICASETS, name_of(each), namespace_of(each), patch)
        if before != replicas:
            word = "up" if replicas > before else "down"
            message = f"Scaled {word} replica set {name_of(each)} from {before} to {replicas}"
            self._events.event(found, "Normal", "ScalingReplicaSet", message)

    def _current(self, each: Obj) -> Obj:
        return self._client.get(REPLICASETS, name_of(each), namespace_of(each))

    def _forget(self, found: Obj, old: list[Obj]) -> None:
        """Delete the oldest ReplicaSets beyond revisionHistoryLimit."""
        gone = [each for each in old if not size(each) and not each.get("status", {}).get("replicas")]
        gone.sort(key=lambda each: int(annotations_of(each).get(REVISION, 0)))
        surplus = len(gone) - found["spec"].get("revisionHistoryLimit", 10)
        for each in gone[: max(surplus, 0)]:
            self._client.delete(REPLICASETS, name_of(each), namespace_of(each))

    def _write_status(self, key: Key) -> float | None:
        found = self._client.get(DEPLOYMENTS, key[1], key[0])
        sets = claim(self._client, REPLICASETS, found)
        new = next((each for each in _oldest_first(sets) if _same_template(found, each)), None)
        status, again = status_of(found, new, sets)
        if status != found.get("status"):
            self._client.update_status(DEPLOYMENTS, mutable(found) | {"status": status})
        return again


def template_hash(template: Obj) -> str:
    """Ten characters that name a pod template, in the alphabet Kubernetes uses for generated names."""
    number = int.from_bytes(hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()[:8])
    letters = []
    for _ in range(10):
        number, index = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[index])
    return "".join(letters)


def _same_template(found: Obj, each: Obj) -> bool:
    template = mutable(each["spec"]["template"])
    template.get("metadata", {}).get("labels", {}).pop(HASH, None)
    return bool(_without_empty(template) == _without_empty(found["spec"]["template"]))


def _without_empty(template: Obj) -> Obj:
    """Empty maps and ``null`` in the template's metadata mean nothing."""
    metadata = {key: part for key, part in (template.get("metadata") or {}).items() if part}
    return {**template, "metadata": metadata}


def _oldest_first(sets: list[Obj]) -> list[Obj]:
    return sorted(sets, key=lambda each: (each["metadata"].get("creationTimestamp", ""), name_of(each)))


def _sizes(found: Obj) -> dict[str, str]:
    surge, _ = available(found)
    return {DESIRED: str(desired(found)), MAXIMUM: str(desired(found) + surge)}
