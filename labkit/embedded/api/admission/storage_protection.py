"""A claim or a volume does not go while it is in use: plugin StorageObjectInUseProtection."""

from __future__ import annotations

from labkit.embedded.interfaces import AdmissionRequest

PROTECTED = {
    "persistentvolumes": "kubernetes.io/pv-protection",
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
}
"""Resource → the finalizer that its controller takes off."""


def storage_protection(request: AdmissionRequest) -> list[str]:
    """An admission plug-in."""
    finalizer = PROTECTED.get(request.resource)
    if finalizer and request.old is None:
        metadata = request.object["metadata"]
        known = metadata.get("finalizers") or []
        if finalizer not in known:
            metadata["finalizers"] = [*known, finalizer]
    return []
