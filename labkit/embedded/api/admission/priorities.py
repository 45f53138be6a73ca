"""A pod's priority is that of its PriorityClass, or of the default one.

Source: plugin/pkg/admission/priority of Kubernetes.
"""

from __future__ import annotations

from labkit.embedded.api.admission.pods import pod_forbidden
from labkit.embedded.api.kinds.priority_classes import RESOURCE
from labkit.embedded.interfaces import AdmissionRequest, Client
from labkit.embedded.objects import Obj, name_of
from labkit.embedded.status import forbidden

_PREEMPTS = "PreemptLowerPriority"
_NONE: Obj = {"metadata": {"name": ""}, "value": 0, "preemptionPolicy": _PREEMPTS}


class Priorities:
    """An admission plug-in; ApiError 403."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __call__(self, request: AdmissionRequest) -> list[str]:
        if request.resource == RESOURCE:
            self._check_default(request)
        elif request.resource == "pods" and request.old is not None:
            _keep(request.object["spec"], request.old["spec"])
        elif request.resource == "pods":
            self._give(request)
        return []

    def _check_default(self, request: AdmissionRequest) -> None:
        default = self._default() if request.object.get("globalDefault") else None
        if default is not None and (request.old is None or name_of(default) != name_of(request.object)):
            why = f"PriorityClass {name_of(default)} is already marked as default. Only one default can exist"
            raise forbidden(request.resource, name_of(request.object), why)

    def _default(self) -> Obj | None:
        found = [each for each in self._client.list(RESOURCE) if each.get("globalDefault")]
        return min(found, key=lambda each: each.get("value", 0), default=None)

    def _give(self, request: AdmissionRequest) -> None:
        spec = request.object["spec"]
        name = spec.get("priorityClassName", "")
        found = self._client.find(RESOURCE, name) if name else self._default() or _NONE
        if found is None:
            raise pod_forbidden(request, f"no PriorityClass with name {name} was found")
        if name_of(found):
            spec["priorityClassName"] = name_of(found)
        value, policy = found.get("value", 0), found.get("preemptionPolicy", _PREEMPTS)
        given, wanted = spec.setdefault("priority", value), spec.setdefault("preemptionPolicy", policy)
        if given != value:
            raise pod_forbidden(request, _not_to_be_given("integer value of priority", given, value))
        if wanted != policy:
            raise pod_forbidden(request, _not_to_be_given("string value of PreemptionPolicy", wanted, policy))


def _keep(spec: dict[str, object], old: dict[str, object]) -> None:
    for key in ("priority", "preemptionPolicy"):
        if key in old:
            spec.setdefault(key, old[key])


def _not_to_be_given(what: str, given: object, computed: object) -> str:
    return (
        f"the {what} ({given}) must not be provided in pod spec; priority admission controller computed "
        f"{computed} from the given PriorityClass name"
    )
