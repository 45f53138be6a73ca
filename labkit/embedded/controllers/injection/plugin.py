"""The admission plug-in: decides, then fills in a template."""

from __future__ import annotations

from typing import Any

import yaml

from labkit.embedded.controllers.injection.decision import is_injected
from labkit.embedded.controllers.injection.templates import inject_gateway, inject_sidecar, templates_of
from labkit.embedded.interfaces import AdmissionRequest, Client
from labkit.embedded.objects import annotations_of
from labkit.embedded.status import ApiError

SYSTEM = "istio-system"
TEMPLATES = {"sidecar": inject_sidecar, "gateway": inject_gateway}
WEBHOOK = "namespace.sidecar-injector.istio.io"


class Injection:
    """An :data:`~labkit.embedded.interfaces.AdmissionPlugin` that acts on pods as they are created."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __call__(self, request: AdmissionRequest) -> list[str]:
        """Add the proxy where it belongs; nothing happens where Istio isn't installed."""
        pod = request.object
        if request.resource != "pods" or request.operation != "CREATE":
            return []
        namespace = self._client.find("namespaces", request.namespace)
        installed = self._client.find("configmaps", "istio", SYSTEM)
        done = "sidecar.istio.io/status" in annotations_of(pod)
        if namespace is None or installed is None or done or not is_injected(namespace, pod):
            return []
        template = TEMPLATES.get(templates_of(pod))
        if template is None:
            known = ", ".join(sorted(TEMPLATES))
            message = f"requested template {templates_of(pod)!r} not found; known templates: {known}"
            raise ApiError(500, "InternalError", f'failed calling webhook "{WEBHOOK}": {message}')
        template(pod, request.namespace, self._values())
        return []

    def _values(self) -> dict[str, Any]:
        """The installation's ``values``, from the ConfigMap istiod keeps them in."""
        found = self._client.find("configmaps", "istio-sidecar-injector", SYSTEM) or {}
        values = yaml.safe_load((found.get("data") or {}).get("values") or "{}")
        return values if isinstance(values, dict) else {}
