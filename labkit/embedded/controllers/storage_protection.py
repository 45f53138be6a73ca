"""Lets a claim go when no pod names it any more, and a volume when it is bound to none."""

from __future__ import annotations

from collections.abc import Iterable

from labkit.embedded.controllers.runtime import Key
from labkit.embedded.interfaces import Client, WatchEvent
from labkit.embedded.objects import Obj, is_terminating, mutable, name_of, namespace_of

CLAIMS, VOLUMES = "persistentvolumeclaims", "persistentvolumes"
_FINALIZERS = {CLAIMS: "kubernetes.io/pvc-protection", VOLUMES: "kubernetes.io/pv-protection"}


class StorageProtection:
    """Takes off the finalizer that the API put on; a key without a namespace is a volume's."""

    resources = (CLAIMS, VOLUMES, "pods")

    def __init__(self, client: Client) -> None:
        self._client = client

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """What is being deleted; the claims that a pod names."""
        if event.resource != "pods":
            found = [name_of(event.object)] if is_terminating(event.object) else []
        else:
            found = [] if event.type == "ADDED" else _claims(event.object)
        return [(namespace_of(event.object), name) for name in found]

    def reconcile(self, key: Key) -> None:
        """Let it go, unless it is in use."""
        resource = CLAIMS if key[0] else VOLUMES
        found = self._client.find(resource, key[1], key[0])
        if found is None or not is_terminating(found) or self._is_used(found):
            return
        finalizers = found["metadata"].get("finalizers") or []
        kept = [each for each in finalizers if each != _FINALIZERS[resource]]
        if kept != finalizers:
            changed = mutable(found)
            changed["metadata"]["finalizers"] = kept
            self._client.update(resource, changed)

    def _is_used(self, found: Obj) -> bool:
        if not namespace_of(found):
            return bool((found.get("status") or {}).get("phase") == "Bound")
        pods = self._client.list("pods", namespace_of(found))
        alive = (pod for pod in pods if pod["status"].get("phase") not in ("Succeeded", "Failed"))
        return any(name_of(found) in _claims(pod) for pod in alive)


def _claims(pod: Obj) -> list[str]:
    volumes = (each.get("persistentVolumeClaim") for each in pod["spec"].get("volumes") or ())
    return [str(each["claimName"]) for each in volumes if each]
