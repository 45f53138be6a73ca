"""Namespaces: what each one is born with, and how it ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from labkit.embedded.controllers.conditions import turned
from labkit.embedded.controllers.namespace_conditions import deletion_conditions
from labkit.embedded.controllers.runtime import Key
from labkit.embedded.interfaces import EVERYTHING, Client, WatchEvent
from labkit.embedded.objects import Obj, is_terminating, mutable, name_of, namespace_of
from labkit.embedded.status import ApiError

ROOT_CERTIFICATE = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such "
    "as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across "
    "distributions of Kubernetes clusters."
)


class InEveryNamespace:
    """One object that every namespace is born with, also after somebody deleted it."""

    def __init__(self, client: Client, resource: str, obj: Obj) -> None:
        """*obj*: what to create, without its namespace."""
        self._client, self._resource, self._object = client, resource, obj
        self.resources = ("namespaces", resource)

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The namespace."""
        if event.resource == "namespaces":
            return [("", name_of(event.object))]
        return [("", namespace_of(event.object))] if name_of(event.object) == name_of(self._object) else []

    def reconcile(self, key: Key) -> None:
        """Create it where it is missing, or differs in its data."""
        namespace = self._client.find("namespaces", key[1])
        if namespace is None or is_terminating(namespace):
            return
        wanted = mutable(self._object)
        wanted["metadata"]["namespace"] = key[1]
        known = self._client.find(self._resource, name_of(wanted), key[1])
        if known is None:
            self._client.create(self._resource, wanted)
        elif known.get("data") != wanted.get("data"):
            self._client.update(self._resource, {**mutable(known), "data": wanted["data"]})


def default_service_account(client: Client) -> InEveryNamespace:
    """The ServiceAccount ``default``, which every pod has that names no other."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    return InEveryNamespace(client, "serviceaccounts", account)


def root_certificate(client: Client, authority: str) -> InEveryNamespace:
    """The ConfigMap ``kube-root-ca.crt``; *authority*: the API server's CA certificate, in PEM form."""
    metadata = {"name": "kube-root-ca.crt", "annotations": {"kubernetes.io/description": ROOT_CERTIFICATE}}
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {"ca.crt": authority},
    }
    return InEveryNamespace(client, "configmaps", config_map)


class NamespaceDeletion:
    """Empties a namespace that is being deleted; the last object's end ends the namespace too.

    Pods go first, and the rest when none is left: what they need is there to their end. Then owners go
    before what they own; events go last.
    """

    resources = (EVERYTHING,)

    def __init__(self, client: Client, namespaced: Iterable[str]) -> None:
        """*namespaced*: what lives in namespaces, asked for each time."""
        self._client, self._all = client, namespaced

    @property
    def _namespaced(self) -> list[str]:
        return sorted(self._all, key=_order)

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
        failures, left = self._emptied(["pods"], key[1])
        if not any(left.values()) and not failures:
            failures, left = self._emptied(self._namespaced, key[1])
        if any(left.values()):
            self._tell(namespace, left, failures)
        else:
            self._client.finalize_namespace(key[1])
        if failures:
            raise failures[0]

    def _emptied(
        self, resources: Sequence[str], namespace: str
    ) -> tuple[list[ApiError], dict[str, list[Obj]]]:
        """Delete all *resources*; what went wrong, and what is still there."""
        failures = [failure for resource in resources for failure in self._empty(resource, namespace)]
        return failures, {resource: self._client.list(resource, namespace) for resource in resources}

    def _empty(self, resource: str, namespace: str) -> Iterator[ApiError]:
        for obj in self._client.list(resource, namespace):
            if is_terminating(obj):
                continue
            try:
                self._client.delete(resource, name_of(obj), namespace)
            except ApiError as error:
                if error.code != 404:  # gone with its owner
                    yield error

    def _tell(self, namespace: Obj, left: dict[str, list[Obj]], failures: list[ApiError]) -> None:
        conditions = [turned(namespace, each) for each in deletion_conditions(left, failures)]
        status = {**namespace.get("status", {}), "phase": "Terminating", "conditions": conditions}
        if status != namespace.get("status"):
            self._client.update_status("namespaces", mutable(namespace) | {"status": status})


def _order(resource: str) -> tuple[int, str]:
    first = ["deployments.apps", "replicasets.apps", "services"]
    rank = first.index(resource) if resource in first else len(first) + (resource == "events")
    return rank, resource
