"""NoExecute taints: pods that don't tolerate one are deleted, at once or when their patience ends.

The taint-eviction-controller of kube-controller-manager, its events and words.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from labkit.embedded.controllers.runtime import Key
from labkit.embedded.disruption import disrupt
from labkit.embedded.events import Recorder
from labkit.embedded.interfaces import Client, WatchEvent
from labkit.embedded.objects import Obj, is_terminating, name_of, namespace_of, uid_of
from labkit.embedded.taints import taints_of, tolerates, tolerations_of, untolerated

NOT_EVER = float("inf")


class TaintEviction:
    """Deletes the pods of tainted nodes."""

    resources = ("nodes", "pods")

    def __init__(self, client: Client) -> None:
        self._client = client
        self._recorder = Recorder(client, "taint-eviction-controller")
        self._since: dict[str, float] = {}
        """Pods that are to go later: their uid, and when that was decided."""

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The pod; all pods of a changed node."""
        if event.resource == "pods":
            if event.type == "DELETED":
                self._since.pop(uid_of(event.object), None)
            return [(namespace_of(event.object), name_of(event.object))]
        name = name_of(event.object)
        mine = (pod for pod in self._client.list("pods") if pod["spec"].get("nodeName") == name)
        return [(namespace_of(pod), name_of(pod)) for pod in mine]

    def reconcile(self, key: Key) -> float | None:
        """Delete the pod if its time has come; else ask for another look when it will have."""
        pod = self._client.find("pods", key[1], key[0])
        node = self._client.find("nodes", pod["spec"].get("nodeName") or "") if pod else None
        if pod is None or node is None or is_terminating(pod):
            return None
        patience = _patience(pod, taints_of(node, "NoExecute"))
        if patience == NOT_EVER:
            self._spare(pod)
            return None
        now = time.monotonic()
        left = self._since.setdefault(uid_of(pod), now) + patience - now
        if left > 0:
            return left
        self._evict(pod)
        return None

    def _spare(self, pod: Obj) -> None:
        if self._since.pop(uid_of(pod), None) is not None:
            self._tell(pod, "Cancelling deletion of Pod")

    def _evict(self, pod: Obj) -> None:
        self._since.pop(uid_of(pod), None)
        self._tell(pod, "Marking for deletion Pod")
        why = "Taint manager: deleting due to NoExecute taint"
        disrupt(self._client, pod, "DeletionByTaintManager", why)

    def _tell(self, pod: Obj, what: str) -> None:
        message = f"{what} {namespace_of(pod)}/{name_of(pod)}"
        self._recorder.event(pod, "Normal", "TaintManagerEviction", message)


def _patience(pod: Obj, taints: list[Obj]) -> float:
    """Seconds that *pod* stays under *taints*: none where it does not tolerate one of them."""
    if any(untolerated(pod, taints)):
        return 0.0
    used = [each for each in tolerations_of(pod) if any(tolerates(each, taint) for taint in taints)]
    limits = [each["tolerationSeconds"] for each in used if each.get("tolerationSeconds") is not None]
    return max(float(min(limits)), 0.0) if limits else NOT_EVER
