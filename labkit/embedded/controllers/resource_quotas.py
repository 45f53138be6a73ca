"""ResourceQuota → how much of it is used (kube-controller-manager's resource quota controller)."""

from __future__ import annotations

from collections.abc import Iterable

from labkit.embedded import quotas
from labkit.embedded.controllers.runtime import Key
from labkit.embedded.interfaces import EVERYTHING, Client, WatchEvent
from labkit.embedded.objects import Obj, is_terminating, mutable, name_of, namespace_of
from labkit.embedded.quotas import QUOTAS


class ResourceQuotas:
    """Keeps the status of each quota."""

    resources = (EVERYTHING,)

    def __init__(self, client: Client) -> None:
        self._client = client

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The quota; those of the object's namespace that count its kind."""
        namespace = namespace_of(event.object)
        if event.resource == QUOTAS and event.type != "DELETED":
            return [(namespace, name_of(event.object))]
        found = self._client.list(QUOTAS, namespace) if namespace else []
        return [(namespace, name_of(each)) for each in found if event.resource in quotas.resources_of(each)]

    def reconcile(self, key: Key) -> None:
        """Count anew."""
        quota = self._client.find(QUOTAS, key[1], key[0])
        if quota is None or is_terminating(quota):
            return
        hard = quota["spec"].get("hard") or {}
        status = {"hard": hard, "used": quotas.used_of(quota, self._objects(quota))} if hard else {}
        if status != quota.get("status"):
            self._client.update_status(QUOTAS, {**mutable(quota), "status": mutable(status)})

    def _objects(self, quota: Obj) -> Iterable[tuple[str, Obj]]:
        for resource in quotas.resources_of(quota):
            yield from ((resource, each) for each in self._client.list(resource, namespace_of(quota)))
