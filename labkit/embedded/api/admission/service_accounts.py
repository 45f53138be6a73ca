"""A pod runs as a ServiceAccount that is there.

Source: plugin/pkg/admission/serviceaccount of Kubernetes. (Tokens are not mounted: pods here are
processes of the user, without a file system of their own.)
"""

from __future__ import annotations

from labkit.embedded.api.admission.pods import pod_forbidden
from labkit.embedded.interfaces import AdmissionRequest, Client
from labkit.embedded.objects import Obj

DEFAULT = "default"


class ServiceAccounts:
    """An admission plug-in; ApiError 403."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __call__(self, request: AdmissionRequest) -> list[str]:
        if request.resource == "pods" and request.operation == "CREATE":
            spec = request.object["spec"]
            name = spec.setdefault("serviceAccountName", DEFAULT)
            account = self._find(request, name)
            spec["serviceAccount"] = name
            if account.get("imagePullSecrets") and not spec.get("imagePullSecrets"):
                spec["imagePullSecrets"] = [dict(each) for each in account["imagePullSecrets"]]
        return []

    def _find(self, request: AdmissionRequest, name: str) -> Obj:
        found = self._client.find("serviceaccounts", name, request.namespace)
        if found:
            return found
        if name == DEFAULT:
            # Its controller is about to make it. The real server waits a second for that; here nobody
            # else has a turn meanwhile, so it is made now.
            account = {"metadata": {"name": name, "namespace": request.namespace}}
            return self._client.create("serviceaccounts", account)
        why = (
            f'error looking up service account {request.namespace}/{name}: serviceaccount "{name}" not found'
        )
        raise pod_forbidden(request, why)
