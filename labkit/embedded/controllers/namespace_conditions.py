"""What ``kubectl describe namespace`` shows of a namespace that is being deleted.

Types, reasons and messages are those of ``pkg/controller/namespace/deletion``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from labkit.embedded.objects import Obj


def deletion_conditions(left: dict[str, list[Obj]], failures: Sequence[Exception]) -> list[Obj]:
    """The five conditions; *left* holds what still is there, by resource."""
    return [
        _condition(
            "NamespaceDeletionDiscoveryFailure",
            "ResourcesDiscovered",
            "All resources successfully discovered",
        ),
        _condition(
            "NamespaceDeletionGroupVersionParsingFailure",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        _failure(failures),
        _remaining(left),
        _finalizers(left),
    ]


def _failure(failures: Sequence[Exception]) -> Obj:
    kind = "NamespaceDeletionContentFailure"
    if failures:
        message = "Failed to delete all resource types, {} remaining: {}"
        joined = ", ".join(map(str, failures))
        return _condition(kind, "ContentDeletionFailed", message.format(len(failures), joined), "True")
    message = "All content successfully deleted, may be waiting on finalization"
    return _condition(kind, "ContentDeleted", message)


def _remaining(left: dict[str, list[Obj]]) -> Obj:
    kind = "NamespaceContentRemaining"
    there = [
        f"{_dotted(name)} has {len(left[name])} resource instances" for name in sorted(left) if left[name]
    ]
    if there:
        message = f"Some resources are remaining: {', '.join(there)}"
        return _condition(kind, "SomeResourcesRemain", message, "True")
    return _condition(kind, "ContentRemoved", "All content successfully removed")


def _dotted(resource: str) -> str:
    """``pods.`` and ``deployments.apps``: real messages join resource and group, be it empty."""
    return resource if "." in resource else f"{resource}."


def _finalizers(left: dict[str, list[Obj]]) -> Obj:
    kind = "NamespaceFinalizersRemaining"
    objects = [obj for each in left.values() for obj in each]
    counts = Counter(name for obj in objects for name in obj["metadata"].get("finalizers") or ())
    if counts:
        there = ", ".join(f"{name} in {counts[name]} resource instances" for name in sorted(counts))
        message = f"Some content in the namespace has finalizers remaining: {there}"
        return _condition(kind, "SomeFinalizersRemain", message, "True")
    return _condition(kind, "ContentHasNoFinalizers", "All content-preserving finalizers finished")


def _condition(kind: str, reason: str, message: str, status: str = "False") -> Obj:
    return {"type": kind, "status": status, "reason": reason, "message": message}
