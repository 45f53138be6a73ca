"""Who asks for a certificate, and who may approve of it or issue it: by signer, beside the rules of its kind.

Source: plugin/pkg/admission/certificates of Kubernetes;
https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#authorization
"""

from __future__ import annotations

from labkit.embedded.api.access import users
from labkit.embedded.api.access.attributes import Attributes
from labkit.embedded.api.access.rbac import Authorizer
from labkit.embedded.api.kinds.certificate_requests import CLIENTS, RESOURCE, pem_block
from labkit.embedded.interfaces import AdmissionRequest, User
from labkit.embedded.objects import Obj, name_of
from labkit.embedded.status import forbidden

_GROUP = "certificates.k8s.io"


def requested(request: AdmissionRequest) -> list[str]:
    """An admission plug-in: a new request says who made it; ApiError 403 for one that asks for everything."""
    if request.resource != RESOURCE or request.operation != "CREATE":
        return []
    spec = request.object["spec"]
    for key in ("username", "uid", "groups", "extra"):
        spec.pop(key, None)
    if request.user:
        spec |= users.user_info(request.user)
    if spec.get("signerName") == CLIENTS and users.MASTERS in _organizations(spec.get("request") or ""):
        why = f"use of {CLIENTS} signer with {users.MASTERS} group is not allowed"
        raise forbidden(RESOURCE, name_of(request.object), why)
    return []


def _organizations(request: str) -> list[str]:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        block = pem_block(request)
        subject = x509.load_der_x509_csr(block[1]).subject if block else x509.Name([])
    except ValueError:
        return []  # told by validation
    return [str(each.value) for each in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]


class Decisions:
    """A plug-in for writes of a request's status; ApiError 403."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def __call__(self, request: AdmissionRequest) -> list[str]:
        if request.resource != RESOURCE or request.user is None or request.old is None:
            return []
        if request.subresource == "approval":
            self._require(request.user, "approve", request.old)
        elif _certificate(request.object) != _certificate(request.old):
            self._require(request.user, "sign", request.old)
        return []

    def _require(self, user: User, verb: str, obj: Obj) -> None:
        signer = obj["spec"]["signerName"]
        names = (signer, f"{signer.partition('/')[0]}/*")
        asked = (Attributes(verb, _GROUP, "signers", name=name) for name in names)
        if not any(self._authorizer.decide(user, each).allowed for each in asked):
            why = f'user not permitted to {verb} requests with signerName "{signer}"'
            raise forbidden(RESOURCE, name_of(obj), why)


def _certificate(obj: Obj) -> str:
    return str((obj.get("status") or {}).get("certificate") or "")
