"""Tells, once for each pod, which of Istio's annotations on it change nothing in this mesh."""

from __future__ import annotations

from collections.abc import Iterable

from labkit.embedded.controllers.injection.pod_annotations import notices
from labkit.embedded.controllers.injection.templates import status_of
from labkit.embedded.controllers.runtime import Key
from labkit.embedded.events import Recorder
from labkit.embedded.interfaces import Client, WatchEvent
from labkit.embedded.objects import name_of, namespace_of, uid_of


class IgnoredAnnotations:
    """Writes an event of the reason AnnotationIgnored for each; a pod without a proxy has no need of it."""

    resources = ("pods",)

    def __init__(self, client: Client) -> None:
        self._client = client
        self._recorder = Recorder(client, "sidecar-injector")
        self._told: set[str] = set()

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """A pod that is new."""
        uid = uid_of(event.object)
        if event.type == "DELETED":
            self._told.discard(uid)
        elif uid not in self._told:
            return [(namespace_of(event.object), name_of(event.object))]
        return []

    def reconcile(self, key: Key) -> None:
        """Tell of the pod, unless it was started before and told of then."""
        pod = self._client.find("pods", key[1], key[0])
        if pod is None or uid_of(pod) in self._told:
            return
        self._told.add(uid_of(pod))
        if status_of(pod) and not (pod.get("status") or {}).get("containerStatuses"):
            for message in notices(pod):
                self._recorder.event(pod, "Warning", "AnnotationIgnored", message)
