"""When a pod is ready, and when it has been so for long enough."""

from __future__ import annotations

import datetime as dt

from labkit.embedded.objects import Obj, condition_of


def is_ready(pod: Obj) -> bool:
    """Whether the pod's Ready condition is true."""
    condition = condition_of(pod, "Ready")
    return bool(condition and condition.get("status") == "True")


def available_in(pod: Obj, minimum: int) -> float:
    """Seconds until a ready pod has been so for *minimum* seconds; zero or less if it has."""
    condition = condition_of(pod, "Ready")
    if not minimum or not condition:
        return 0.0
    return minimum - seconds_since(condition.get("lastTransitionTime", ""))


def seconds_since(moment: str) -> float:
    """Seconds since an RFC 3339 *moment*; 0 where there is none."""
    if not moment:
        return 0.0
    return (dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(moment)).total_seconds()
