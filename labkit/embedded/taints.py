"""Taints of nodes and the tolerations of pods (``k8s.io/component-helpers/scheduling/corev1``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from labkit.embedded.objects import Obj

UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
"""The key of the taint that a cordoned node carries."""


def taints_of(node: Obj, *effects: str) -> list[Obj]:
    """The taints of *node* with one of *effects*."""
    found = (node.get("spec") or {}).get("taints") or []
    return [taint for taint in found if taint.get("effect") in effects]


def tolerations_of(pod: Obj) -> list[Obj]:
    """``spec.tolerations``; never ``None``."""
    return (pod.get("spec") or {}).get("tolerations") or []


def untolerated(pod: Obj, taints: Iterable[Obj]) -> Iterator[Obj]:
    """Those of *taints* that *pod* does not tolerate."""
    return (taint for taint in taints if not any(tolerates(each, taint) for each in tolerations_of(pod)))


def tolerates(toleration: Obj, taint: Obj) -> bool:
    """Whether *toleration* covers *taint*; an empty key with ``Exists``, and no effect, mean any."""
    if (toleration.get("effect") or taint.get("effect")) != taint.get("effect"):
        return False
    if (toleration.get("key") or taint.get("key")) != taint.get("key"):
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")
