"""Events: what the cluster's parts tell about an object, as ``kubectl describe`` shows it.

The same news about the same object is one Event with a growing count, as client-go's recorder
keeps it.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict

from labkit.embedded.interfaces import Client
from labkit.embedded.objects import Obj, name_of, namespace_of, timestamp, uid_of

REMEMBERED = 1024

log = logging.getLogger(__name__)


class Recorder:
    """Writes the events of one *component*."""

    def __init__(self, client: Client, component: str) -> None:
        self._client, self._component = client, component
        self._known: OrderedDict[tuple[str, ...], str] = OrderedDict()

    def event(self, obj: Obj, type: str, reason: str, message: str) -> None:
        """Tell of *obj*; *type* is ``Normal`` or ``Warning``. Never raises: news must not stop work."""
        key = (uid_of(obj), type, reason, message)
        try:
            if not self._count(key, namespace_of(obj) or "default"):
                self._remember(
                    key, name_of(self._client.create("events", self._new(obj, type, reason, message)))
                )
        except Exception as error:  # the namespace may be on its way out, the disk full
            log.info("event %s of %s not written: %s", reason, name_of(obj), error)

    def _count(self, key: tuple[str, ...], namespace: str) -> bool:
        """Count the event *key* once more; False where there is none yet."""
        name = self._known.get(key, "")
        known = self._client.find("events", name, namespace) if name else None
        if known is None:
            return False
        again = {"count": int(known.get("count") or 1) + 1, "lastTimestamp": timestamp()}
        self._client.patch("events", name, namespace, again)
        return True

    def _remember(self, key: tuple[str, ...], name: str) -> None:
        self._known[key] = name
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def _new(self, obj: Obj, type: str, reason: str, message: str) -> Obj:
        now = timestamp()
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{name_of(obj)}.{time.time_ns():x}",
                "namespace": namespace_of(obj) or "default",
            },
            "involvedObject": self._reference(obj),
            "reason": reason,
            "message": message,
            "source": {"component": self._component},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": type,
            "eventTime": None,
            "reportingComponent": self._component,
            "reportingInstance": "",
        }

    def _reference(self, obj: Obj) -> Obj:
        reference = {
            "apiVersion": obj.get("apiVersion"),
            "kind": obj.get("kind"),
            "namespace": namespace_of(obj),
            "name": name_of(obj),
            "uid": uid_of(obj),
            "resourceVersion": obj.get("metadata", {}).get("resourceVersion"),
        }
        return {key: value for key, value in reference.items() if value}
