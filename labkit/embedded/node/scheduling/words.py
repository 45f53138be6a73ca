"""``0/1 nodes are available: 1 Insufficient cpu.``: kube-scheduler's ``FitError``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from labkit.embedded.node.scheduling.filters import Refusal

NO_NODES = "no nodes available to schedule pods"
_NO_CLAIMS = (
    "no new claims to deallocate"  # what the plug-in DynamicResources says of every pod without claims
)


def counted(refusals: Mapping[str, Refusal]) -> str:
    """How many nodes there are, and how many of them refuse for each reason."""
    reasons = Counter(reason for each in refusals.values() for reason in each.reasons)
    listed = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
    return f"0/{len(refusals)} nodes are available: {listed}."


def unschedulable(refusals: Mapping[str, Refusal], preemption: str) -> str:
    """The message of FailedScheduling; *preemption* says why that is no help, and is empty where it is."""
    return counted(refusals) + (f" {_NO_CLAIMS}, preemption: {preemption}" if preemption else "")
