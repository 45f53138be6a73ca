"""Certificates for whom they were approved: the signer of the API's own clients.

The counterpart of ``csrsigning-kube-apiserver-client``; other signers are their owners' business.
Source: pkg/controller/certificates/signer of Kubernetes.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence

from labkit.embedded.controllers.runtime import Key
from labkit.embedded.interfaces import Client, WatchEvent
from labkit.embedded.objects import Obj, condition_of, mutable, name_of, timestamp

Sign = Callable[[bytes, Sequence[str], int | None], bytes]
"""A request (PEM), usages, seconds → a certificate (PEM); ValueError for what can't be signed."""

RESOURCE = "certificatesigningrequests.certificates.k8s.io"
SIGNER = "kubernetes.io/kube-apiserver-client"
_OPTIONAL, _REQUIRED = ("digital signature", "key encipherment"), "client auth"


class CertificateSigning:
    """Signs what is approved, and says of what it can't sign why not."""

    resources = (RESOURCE,)

    def __init__(self, client: Client, sign: Sign) -> None:
        self._client, self._sign = client, sign

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The request that changed, if it is one of ours."""
        mine = event.object["spec"]["signerName"] == SIGNER
        return [("", name_of(event.object))] if mine else []

    def reconcile(self, key: Key) -> None:
        """Issue its certificate, once it is approved."""
        request = self._client.find(RESOURCE, key[1])
        if request is None or not _is_due(request):
            return
        changed = mutable(request)
        spec, status = changed["spec"], changed["status"]
        try:
            _check_usages(spec["usages"])
            pem = base64.b64decode(spec["request"])
            issued = self._sign(pem, spec["usages"], spec.get("expirationSeconds"))
            status["certificate"] = base64.b64encode(issued).decode()
        except ValueError as error:
            status["conditions"] = [*status["conditions"], _failure(str(error))]
        self._client.update_status(RESOURCE, changed)


def _is_due(request: Obj) -> bool:
    is_open = condition_of(request, "Approved") and not condition_of(request, "Failed")
    return bool(is_open) and not request["status"].get("certificate")


def _check_usages(usages: Sequence[str]) -> None:
    for each in usages:
        if each not in (*_OPTIONAL, _REQUIRED):
            raise ValueError(f"invalid usage for client certificate: {each}")
    if _REQUIRED not in usages:
        raise ValueError(f"missing required usage for client certificate: {_REQUIRED}")


def _failure(message: str) -> Obj:
    moment = {key: timestamp() for key in ("lastUpdateTime", "lastTransitionTime")}
    reason = "SignerValidationFailure"
    return {"type": "Failed", "status": "True", "reason": reason, "message": message, **moment}
