"""A pod runs as a ServiceAccount that is there, and finds a token of it where clients look for one.

Source: plugin/pkg/admission/serviceaccount of Kubernetes.
"""

from __future__ import annotations

from labkit.embedded.api.admission.pods import pod_forbidden
from labkit.embedded.api.kinds.common.names import generated_name
from labkit.embedded.interfaces import AdmissionRequest, Client
from labkit.embedded.objects import Obj, mutable

DEFAULT = "default"
_PLACE = "/var/run/secrets/kubernetes.io/serviceaccount"
_VOLUME = "kube-api-access-"
_SECONDS = 3607
"""By the 7 the real server knows tokens that it mounted itself."""
_SOURCES: tuple[Obj, ...] = (
    {"serviceAccountToken": {"expirationSeconds": _SECONDS, "path": "token"}},
    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    {
        "downwardAPI": {
            "items": [
                {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
            ]
        }
    },
)


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
            if _mounts_token(account, spec):
                _mount_token(spec)
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


def _mounts_token(account: Obj, spec: Obj) -> bool:
    """Whether they want it; the pod knows better than the account."""
    wishes = (each.get("automountServiceAccountToken") for each in (spec, account))
    return next((wish for wish in wishes if wish is not None), True)


def _mount_token(spec: Obj) -> None:
    """Show it to each container that has nothing else in its place."""
    volumes = spec.get("volumes") or []
    known = next((each["name"] for each in volumes if str(each["name"]).startswith(_VOLUME)), None)
    name = known or generated_name(_VOLUME)
    mount = {"name": name, "readOnly": True, "mountPath": _PLACE}
    lacking = [each for each in _containers(spec) if not _has_mount(each)]
    for container in lacking:
        container["volumeMounts"] = [*(container.get("volumeMounts") or []), dict(mount)]
    if lacking and not known:
        source = {"defaultMode": 0o644, "sources": [mutable(each) for each in _SOURCES]}
        spec["volumes"] = [*volumes, {"name": name, "projected": source}]


def _containers(spec: Obj) -> list[Obj]:
    return [each for key in ("initContainers", "containers") for each in spec.get(key) or []]


def _has_mount(container: Obj) -> bool:
    return any(each.get("mountPath") == _PLACE for each in container.get("volumeMounts") or [])
