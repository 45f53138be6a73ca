"""Taints that follow a node's state: a cordoned one carries ``node.kubernetes.io/unschedulable``.

The part of kube-controller-manager's node lifecycle controller that a node which is never away needs.
"""

from __future__ import annotations

from collections.abc import Iterable

from labkit.embedded.controllers.runtime import Key
from labkit.embedded.interfaces import Client, WatchEvent
from labkit.embedded.objects import name_of, timestamp
from labkit.embedded.taints import UNSCHEDULABLE


class NodeTaints:
    """Keeps ``spec.taints`` of every node in step with ``spec.unschedulable``."""

    resources = ("nodes",)

    def __init__(self, client: Client) -> None:
        self._client = client

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The node."""
        return [("", name_of(event.object))]

    def reconcile(self, key: Key) -> None:
        """Add the taint to a cordoned node, take it from one that is so no more."""
        node = self._client.find("nodes", key[1])
        if node is None:
            return
        spec = node.get("spec") or {}
        taints = spec.get("taints") or []
        others = [each for each in taints if each.get("key") != UNSCHEDULABLE]
        is_marked, is_cordoned = len(others) < len(taints), bool(spec.get("unschedulable"))
        if is_marked != is_cordoned:
            mark = {"key": UNSCHEDULABLE, "effect": "NoSchedule", "timeAdded": timestamp()}
            wanted = [*others, mark] if is_cordoned else others
            self._client.patch("nodes", key[1], "", {"spec": {"taints": wanted or None}})
