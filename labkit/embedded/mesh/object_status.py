"""What istiod writes into the status of an Istio object: that it is not in force, and why.

A message of IST0106 (SchemaValidationError) and the condition ``Reconciled``; an object without a fault gets
none, as long as it never had one: by default a real istiod writes no status either.
"""

from __future__ import annotations

from typing import Any

from labkit.embedded.interfaces import Client
from labkit.embedded.mesh.istiod_log import IstiodLog
from labkit.embedded.mesh.quarantine import Fault
from labkit.embedded.mesh.resources import WATCHED, Key, key_of
from labkit.embedded.objects import Obj, condition_of, timestamp
from labkit.embedded.status import ApiError

RECONCILED = "Reconciled"
_MESSAGE = {
    "type": {"name": "SchemaValidationError", "code": "IST0106"},
    "level": "ERROR",
    "documentationUrl": "https://istio.io/latest/docs/reference/config/analysis/ist0106/",
}


class ObjectStatus:
    """Keeps the status of faulty objects, and of those that were faulty, up to date."""

    def __init__(self, client: Client, log: IstiodLog) -> None:
        self._client, self._log = client, log
        self._told: dict[Key, str] | None = None

    def tell(self, faults: list[Fault]) -> None:
        """Write that these are all faults there are."""
        if self._told is None:
            self._told = dict.fromkeys(self._faulty_before(), "")
        now = {each.key: str(each) for each in faults if each.key[0].endswith(".istio.io")}
        for key in [key for key, words in now.items() if self._told.get(key) != words]:
            self._write(key, now[key])
        for key in self._told.keys() - now.keys():
            self._write(key, "")
        self._told = now

    def _faulty_before(self) -> list[Key]:
        """Those an earlier istiod has found faulty."""
        kinds = [each for each in WATCHED if each.endswith(".istio.io")]
        return [
            key_of(resource, obj)
            for resource in kinds
            for obj in self._client.list(resource)
            if (condition_of(obj, RECONCILED) or {}).get("status") == "False"
        ]

    def _write(self, key: Key, fault: str) -> None:
        resource, namespace, name = key
        obj = self._client.find(resource, name, namespace)
        if obj is None:
            return
        try:
            self._client.patch(
                resource, name, namespace, {"status": _status(obj, fault)}, subresource="status"
            )
        except ApiError as error:  # it went, or its namespace did
            self._log.warn("status", f"the status of {resource} {namespace}/{name} is not written: {error}")


def _status(obj: Obj, fault: str) -> dict[str, Any]:
    others = [
        each for each in (obj.get("status") or {}).get("conditions") or [] if each["type"] != RECONCILED
    ]
    generation = (obj.get("metadata") or {}).get("generation") or 0
    condition = {
        "type": RECONCILED,
        "status": "False" if fault else "True",
        "reason": "Refused" if fault else "Accepted",
        "message": fault,
        "lastTransitionTime": timestamp(),
        "observedGeneration": generation,
    }
    messages = [_MESSAGE] if fault else []
    return {
        "conditions": [*others, condition],
        "validationMessages": messages,
        "observedGeneration": generation,
    }
