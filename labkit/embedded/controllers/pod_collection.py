"""Pods whose node is no more: after a while they are deleted (kube-controller-manager's PodGC).

A node that was deleted and registers itself again within that time keeps its pods.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from labkit.embedded.controllers.runtime import Key
from labkit.embedded.disruption import disrupt
from labkit.embedded.interfaces import Client, WatchEvent
from labkit.embedded.objects import Obj, name_of, namespace_of, uid_of

QUARANTINE = 40.0  # seconds


class PodCollection:
    """Deletes pods that are bound to a node which does not exist."""

    resources = ("nodes", "pods")

    def __init__(self, client: Client) -> None:
        self._client = client
        self._missing: dict[str, float] = {}
        """Pods whose node is missing: their uid, and since when that is known."""

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The pod; all pods of a node that came or went."""
        if event.resource == "pods":
            if event.type == "DELETED":
                self._missing.pop(uid_of(event.object), None)
            return [(namespace_of(event.object), name_of(event.object))]
        if event.type == "MODIFIED":
            return []
        name = name_of(event.object)
        return [
            (namespace_of(pod), name_of(pod)) for pod in self._client.list("pods") if _node_of(pod) == name
        ]

    def reconcile(self, key: Key) -> float | None:
        """Delete the pod once its node has been missing for long enough."""
        pod = self._client.find("pods", key[1], key[0])
        node = _node_of(pod) if pod else ""
        if pod is None or not node:
            return None
        if self._client.find("nodes", node):
            self._missing.pop(uid_of(pod), None)
            return None
        now = time.monotonic()
        left = self._missing.setdefault(uid_of(pod), now) + QUARANTINE - now
        if left > 0:
            return left
        why = "PodGC: node no longer exists"
        disrupt(self._client, pod, "DeletionByPodGC", why, phase="Failed", grace_seconds=0)
        return None


def _node_of(pod: Obj) -> str:
    return str((pod.get("spec") or {}).get("nodeName") or "")
