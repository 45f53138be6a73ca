"""The admission plug-in: decides, then fills in a template."""

from __future__ import annotations

from typing import Any

import yaml

from labkit.embedded.controllers.injection.annotation_checks import faults
from labkit.embedded.controllers.injection.decision import is_allowed, selected_by
from labkit.embedded.controllers.injection.pod_annotations import notices
from labkit.embedded.controllers.injection.proxy_configs import effective
from labkit.embedded.controllers.injection.templates import (
    SETTINGS,
    inject_gateway,
    inject_sidecar,
    status_of,
    templates_of,
)
from labkit.embedded.interfaces import AdmissionRequest, Client
from labkit.embedded.objects import Obj
from labkit.embedded.status import ApiError, admission_denied

SYSTEM = "istio-system"
ISTIOD = "istiod"
TEMPLATES = {"sidecar": inject_sidecar, "gateway": inject_gateway}
WEBHOOK = "sidecar-injector.istio.io"
URL = f"https://{ISTIOD}.{SYSTEM}.svc:443/inject?timeout=10s"


class Injection:
    """An :data:`~labkit.embedded.interfaces.AdmissionPlugin` that acts on pods as they are created."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __call__(self, request: AdmissionRequest) -> list[str]:
        """Add the proxy where it belongs, and say what of its annotations does nothing here.

        Nothing happens where Istio isn't installed.
        """
        if request.resource == "pods" and request.operation == "CREATE":
            namespace = self._client.find("namespaces", request.namespace)
            if namespace and self._client.find("configmaps", "istio", SYSTEM):
                self._inject(namespace, request.object)
                return notices(request.object) if status_of(request.object) else []
        return []

    def _inject(self, namespace: Obj, pod: Obj) -> None:
        webhook = selected_by(namespace, pod)
        if webhook is None:
            return
        self._call(webhook)
        self.fill(namespace["metadata"]["name"], pod, webhook)

    def fill(self, namespace: str, pod: Obj, webhook: str = WEBHOOK) -> None:
        """What the webhook does when it is called for *pod*; ApiError in its name."""
        if not is_allowed(namespace, pod) or status_of(pod):
            return
        template = TEMPLATES.get(templates_of(pod))
        if template is None:
            known = ", ".join(sorted(TEMPLATES))
            why = f'requested template "{templates_of(pod)}" not found; have [{known}]'
            raise _failed(webhook, f"failed to run injection template: {why}")
        if wrong := faults(pod):
            raise admission_denied(webhook, _errors(wrong))
        values = {**self._values(), SETTINGS: effective(self._client, namespace, pod)}
        template(pod, values)

    def _call(self, webhook: str) -> None:
        """As with ``failurePolicy: Fail``: while istiod is down, no pod that it selects can be made."""
        service = self._client.find("services", ISTIOD, SYSTEM)
        endpoints = self._client.find("endpoints", ISTIOD, SYSTEM) or {}
        if service is None:
            raise _failed(webhook, f'failed to call webhook: Post "{URL}": service "{ISTIOD}" not found')
        if not any(subset.get("addresses") for subset in endpoints.get("subsets") or []):
            why = f'no endpoints available for service "{ISTIOD}"'
            raise _failed(webhook, f'failed to call webhook: Post "{URL}": {why}')

    def _values(self) -> dict[str, Any]:
        """The installation's ``values``, from the ConfigMap istiod keeps them in."""
        found = self._client.find("configmaps", "istio-sidecar-injector", SYSTEM) or {}
        values = yaml.safe_load((found.get("data") or {}).get("values") or "{}")
        return values if isinstance(values, dict) else {}


def _errors(found: list[str]) -> str:
    """As Go's multierror lists them."""
    count = "1 error" if len(found) == 1 else f"{len(found)} errors"
    return f"{count} occurred:\n" + "".join(f"\t* {each}\n" for each in found) + "\n"


def _failed(webhook: str, why: str) -> ApiError:
    message = f'Internal error occurred: failed calling webhook "{webhook}": {why}'
    return ApiError(500, "InternalError", message)
