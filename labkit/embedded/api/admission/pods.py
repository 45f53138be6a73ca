"""The refusal of a pod."""

from __future__ import annotations

from labkit.embedded.interfaces import AdmissionRequest
from labkit.embedded.objects import name_of
from labkit.embedded.status import ApiError, forbidden


def pod_forbidden(request: AdmissionRequest, why: str) -> ApiError:
    """403; a pod whose name would have been generated is called by what it would have begun with."""
    base = request.object["metadata"].get("generateName") or ""
    name = name_of(request.object)
    is_generated = base and name.startswith(base)
    return forbidden(request.resource, base if is_generated else name, why)
