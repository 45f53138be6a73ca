"""A pod's priority is that of its PriorityClass, which is there.

There are those every cluster has; others can't be made here. Source: plugin/pkg/admission/priority of
Kubernetes.
"""

from __future__ import annotations

from labkit.embedded.api.admission.pods import pod_forbidden
from labkit.embedded.interfaces import AdmissionRequest

_CLASSES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
_PREEMPTS = "PreemptLowerPriority"


def priorities(request: AdmissionRequest) -> list[str]:
    """An admission plug-in; ApiError 403."""
    if request.resource != "pods":
        return []
    spec = request.object["spec"]
    if request.old is not None:
        _keep(spec, request.old["spec"])
        return []
    name = spec.get("priorityClassName", "")
    if name and name not in _CLASSES:
        raise pod_forbidden(request, f"no PriorityClass with name {name} was found")
    computed = _CLASSES.get(name, 0)
    given, policy = spec.setdefault("priority", computed), spec.setdefault("preemptionPolicy", _PREEMPTS)
    if given != computed:
        raise pod_forbidden(request, _not_to_be_given("integer value of priority", given, computed))
    if policy != _PREEMPTS:
        raise pod_forbidden(request, _not_to_be_given("string value of PreemptionPolicy", policy, _PREEMPTS))
    return []


def _keep(spec: dict[str, object], old: dict[str, object]) -> None:
    for key in ("priority", "preemptionPolicy"):
        if key in old:
            spec.setdefault(key, old[key])


def _not_to_be_given(what: str, given: object, computed: object) -> str:
    return (
        f"the {what} ({given}) must not be provided in pod spec; priority admission controller computed "
        f"{computed} from the given PriorityClass name"
    )
