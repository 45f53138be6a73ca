"""What an object says of itself in ``status.conditions``."""

from __future__ import annotations

from labkit.kube.api.api import Obj


def is_true(obj: Obj, kind: str) -> bool:
    """Whether the condition *kind* is there and ``True``."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    return any(each["type"] == kind and each["status"] == "True" for each in conditions)


def is_serving(pod: Obj) -> bool:
    """Whether *pod* is ready, and not on its way out."""
    return is_true(pod, "Ready") and not pod["metadata"].get("deletionTimestamp")
