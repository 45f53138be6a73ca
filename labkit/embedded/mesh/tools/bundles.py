"""istiod completes its own webhook configurations: the certificate to trust, and ``Fail`` for validation.

The counterpart of ``webhookpatch.go`` and of the validation controller.
"""

from __future__ import annotations

import base64

from labkit.embedded.interfaces import Client
from labkit.embedded.mesh.istiod_log import IstiodLog
from labkit.embedded.objects import Obj, labels_of, mutable, name_of
from labkit.embedded.status import ApiError

MUTATING = "mutatingwebhookconfigurations.admissionregistration.k8s.io"
VALIDATING = "validatingwebhookconfigurations.admissionregistration.k8s.io"
_REVISION = {"istio.io/rev": "default"}


class WebhookBundles:
    """Keeps the configurations of this revision up to date until cancelled."""

    def __init__(self, client: Client, root: str, log: IstiodLog) -> None:
        self._client, self._log = client, log
        self._bundle = base64.b64encode(root.encode()).decode()

    async def run(self) -> None:
        """Whenever somebody writes one."""
        async for event in self._client.watch(MUTATING, VALIDATING):
            if event.type in ("ADDED", "MODIFIED") and labels_of(event.object).items() >= _REVISION.items():
                self._complete(event.resource, event.object)

    def _complete(self, resource: str, found: Obj) -> None:
        completed = mutable(found)
        for hook in completed.get("webhooks") or ():
            if "service" in hook["clientConfig"]:
                hook["clientConfig"]["caBundle"] = self._bundle
                if resource == VALIDATING:
                    hook["failurePolicy"] = "Fail"
        if completed == found:
            return
        try:
            self._client.update(resource, completed)
        except ApiError as error:
            self._log.error("webhooks", f"{name_of(found)} can't be completed: {error}")
