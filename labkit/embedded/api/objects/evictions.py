"""``pods/eviction``: a deletion that asks the disruption budgets first, as ``kubectl drain`` wants it.

The rules and words of ``k8s.io/kubernetes/pkg/registry/core/pod/storage/eviction.go``.
"""

from __future__ import annotations

from labkit.embedded.api.kinds.common.meta import matches
from labkit.embedded.api.objects.verbs import Verbs
from labkit.embedded.api.request.options import DeleteOptions
from labkit.embedded.objects import (
    Obj,
    condition_of,
    is_terminating,
    labels_of,
    mutable,
    name_of,
    namespace_of,
    timestamp,
)
from labkit.embedded.status import ApiError

BUDGETS = "poddisruptionbudgets.policy"
_WOULD_VIOLATE = "Cannot evict pod as it would violate the pod's disruption budget."
_TWO = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
_TARGET = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "EvictionByEvictionAPI",
    "message": "Eviction API: evicting",
}
_LASTING = ("Succeeded", "Failed", "Pending")


def evict(verbs: Verbs, pod: Obj, options: DeleteOptions) -> None:
    """Delete *pod*; ApiError 429 where its budget allows no disruption, 500 where it has several."""
    status = pod.get("status") or {}
    if status.get("phase") not in _LASTING and not is_terminating(pod):
        _ask(verbs, pod, options.dry_run)
    if not options.dry_run and not is_terminating(pod):
        told = {**_TARGET, "lastProbeTime": None, "lastTransitionTime": timestamp()}
        kept = [each for each in status.get("conditions") or () if each["type"] != told["type"]]
        changed = mutable(pod)
        changed["status"] = {**status, "conditions": [*kept, told]}
        verbs.update("pods", changed, subresource="status")
    verbs.delete("pods", name_of(pod), namespace_of(pod), options)


def _ask(verbs: Verbs, pod: Obj, dry_run: bool) -> None:
    budgets = [each for each in verbs.objects(BUDGETS, namespace_of(pod)) if _covers(each, pod)]
    if len(budgets) > 1:
        raise ApiError(500, "", _TWO)
    if budgets and not _is_free(budgets[0], pod):
        _take(verbs, budgets[0], pod, dry_run)


def _covers(budget: Obj, pod: Obj) -> bool:
    selector = (budget.get("spec") or {}).get("selector")
    return selector is not None and matches(selector, labels_of(pod))


def _is_free(budget: Obj, pod: Obj) -> bool:
    """Whether the pod is not ready, and so none of those that have to stay."""
    ready = condition_of(pod, "Ready")
    if ready is not None and ready["status"] == "True":
        return False
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget["status"]
    return bool(status["currentHealthy"] >= status["desiredHealthy"] > 0)


def _take(verbs: Verbs, budget: Obj, pod: Obj, dry_run: bool) -> None:
    status, name = budget["status"], name_of(budget)
    if status.get("observedGeneration", 0) < budget["metadata"]["generation"]:
        raise _refusal(f"The disruption budget {name} is still being processed by the server.", retry=10)
    if not status["disruptionsAllowed"]:
        raise _refusal(
            f"The disruption budget {name} needs {status['desiredHealthy']} healthy pods "
            f"and has {status['currentHealthy']} currently"
        )
    if dry_run:
        return
    changed = mutable(budget)
    disrupted = {**status.get("disruptedPods", {}), name_of(pod): timestamp()}
    left = status["disruptionsAllowed"] - 1
    changed["status"] = {**status, "disruptionsAllowed": left, "disruptedPods": disrupted}
    verbs.update(BUDGETS, changed, subresource="status")


def _refusal(message: str, retry: int = 0) -> ApiError:
    details: Obj = {"causes": [{"reason": "DisruptionBudget", "message": message}]}
    return ApiError(
        429, "TooManyRequests", _WOULD_VIOLATE, details | ({"retryAfterSeconds": retry} if retry else {})
    )
