"""Namespaces: what each one is born with, and how it ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from labkit.embedded.controllers.runtime import Key
from labkit.embedded.interfaces import Client, WatchEvent
from labkit.embedded.objects import is_terminating, name_of, namespace_of


class DefaultServiceAccounts:
    """The ``default`` ServiceAccount of every namespace, also after somebody deleted it."""

    resources = ("namespaces", "serviceaccounts")

    def __init__(self, client: Client) -> None:
        self._client = client

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The namespace."""
        name = name_of(event.object) if event.resource == "namespaces" else namespace_of(event.object)
        return [("", name)]

    def reconcile(self, key: Key) -> None:
        """Create it where it is missing."""
        namespace = self._client.find("namespaces", key[1])
        if namespace is None or is_terminating(namespace):
            return
        if self._client.find("serviceaccounts", "default", key[1]) is None:
            account = {"apiVersion": "v1", "kind": "ServiceAccount"}
            self._client.create(
                "serviceaccounts", {**account, "metadata": {"name": "default", "namespace": key[1]}}
            )


class NamespaceDeletion:
    """Empties a namespace that is being deleted; the last object's end ends the namespace too.

    Owners go before what they own, so that nothing is made anew meanwhile; events go last.
    """

    def __init__(self, client: Client, namespaced: Sequence[str]) -> None:
        self._client = client
        self._namespaced = sorted(namespaced, key=_order)
        self.resources = ("namespaces", *self._namespaced)

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The namespace: while it ends, every change in it matters."""
        if event.resource == "namespaces":
            return [("", name_of(event.object))] if is_terminating(event.object) else []
        if event.type != "DELETED":
            return []
        namespace = self._client.find("namespaces", namespace_of(event.object))
        return [("", namespace_of(event.object))] if namespace and is_terminating(namespace) else []

    def reconcile(self, key: Key) -> None:
        """Delete what is still there; finish when nothing is."""
        namespace = self._client.find("namespaces", key[1])
        if namespace is None or not is_terminating(namespace):
            return
        left = False
        for resource in self._namespaced:
            for obj in self._client.list(resource, key[1]):
                left = True
                if not is_terminating(obj):
                    self._client.delete(resource, name_of(obj), key[1])
        if not left or not any(self._client.list(resource, key[1]) for resource in self._namespaced):
            self._client.finalize_namespace(key[1])


def _order(resource: str) -> tuple[int, str]:
    first = ["deployments.apps", "replicasets.apps", "pods", "services"]
    rank = first.index(resource) if resource in first else len(first) + (resource == "events")
    return rank, resource
