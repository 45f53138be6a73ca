"""A pod's RuntimeClass is there, and says what it costs and where it may run.

Source: plugin/pkg/admission/runtimeclass of Kubernetes.
"""

from __future__ import annotations

from labkit.embedded.api.admission.pods import pod_forbidden
from labkit.embedded.interfaces import AdmissionRequest, Client
from labkit.embedded.objects import Obj

RESOURCE = "runtimeclasses.node.k8s.io"


class RuntimeClasses:
    """An admission plug-in; ApiError 403."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __call__(self, request: AdmissionRequest) -> list[str]:
        if request.resource != "pods" or request.old is not None:
            return []
        spec = request.object["spec"]
        name = spec.get("runtimeClassName")
        found = self._client.find(RESOURCE, name) if name else None
        if name and found is None:
            raise pod_forbidden(request, f'pod rejected: RuntimeClass "{name}" not found')
        fixed = ((found or {}).get("overhead") or {}).get("podFixed")
        if spec.get("overhead") is not None and spec["overhead"] != fixed:
            why = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            raise pod_forbidden(request, why)
        if fixed:
            spec["overhead"] = dict(fixed)
        self._place(request, spec, (found or {}).get("scheduling") or {})
        return []

    def _place(self, request: AdmissionRequest, spec: Obj, scheduling: Obj) -> None:
        wanted, given = scheduling.get("nodeSelector") or {}, spec.get("nodeSelector") or {}
        for key, value in wanted.items():
            if given.get(key, value) != value:
                why = f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                raise pod_forbidden(request, f"{why}pod.spec.nodeSelector[{key}] = {given[key]}")
        if wanted:
            spec["nodeSelector"] = {**given, **wanted}
        tolerations = scheduling.get("tolerations") or []
        known = spec.get("tolerations") or []
        if tolerations:
            spec["tolerations"] = [*known, *(each for each in tolerations if each not in known)]
