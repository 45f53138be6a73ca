"""CertificateSigningRequests: who asks for a certificate, who approves of it, and the certificate itself.

Source: ``pkg/apis/certificates/validation`` and ``pkg/registry/certificates`` of Kubernetes.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column, Row
from labkit.embedded.api.kinds.common.durations import human_duration
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types import golang
from labkit.embedded.api.types.resources import ResourceType, Subresource, status_of
from labkit.embedded.objects import Obj, timestamp
from labkit.embedded.store import Store

RESOURCE = "certificatesigningrequests.certificates.k8s.io"
CLIENTS = "kubernetes.io/kube-apiserver-client"
"""The signer of certificates that this API knows its clients by."""
APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"
DECISIONS = (APPROVED, DENIED)
_LEGACY = "kubernetes.io/legacy-unknown"
_SHORTEST = 600
"""Seconds that a certificate is asked for at least."""
USAGES = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment",
    "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system",
    "ipsec tunnel", "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc",
    "ocsp signing", "s/mime", "server auth", "signing", "timestamping",
)  # fmt: skip
_BLOCK = re.compile(rb"-----BEGIN ([^-]+)-----\n(.*?)-----END \1-----", re.DOTALL)


def _conditions(obj: Obj) -> list[Obj]:
    return list((obj.get("status") or {}).get("conditions") or [])


def _prepare_create(_: Store, obj: Obj) -> None:
    obj["status"] = {}


def _prepare_update(_: Store, obj: Obj, old: Obj) -> None:
    obj["spec"] = old["spec"]


def _prepare_status(obj: Obj, old: Obj, subresource: str) -> None:
    """Whoever decides changes nothing but the conditions."""
    status, before = obj.setdefault("status", {}), old.get("status") or {}
    conditions = [_timed(each, before) for each in status.get("conditions") or ()]
    if subresource == "approval":
        obj["status"] = status = {key: each for key, each in before.items() if key != "conditions"}
    status.pop("conditions", None)
    if conditions:
        status["conditions"] = conditions


def _timed(condition: Obj, before: Obj) -> Obj:
    known = {each.get("type"): each for each in before.get("conditions") or ()}
    moment, last = timestamp(), known.get(condition.get("type", ""), {})
    changed = last.get("status") != condition.get("status")
    times = {
        "lastUpdateTime": moment,
        "lastTransitionTime": moment if changed else last["lastTransitionTime"],
    }
    completed = {**condition, **{key: condition.get(key) or each for key, each in times.items()}}
    return {key: each for key, each in completed.items() if each != "" or key == "type"}


def _validate(causes: Causes, obj: Obj, _old: Obj | None) -> None:
    spec = obj.get("spec") or {}
    _check_request(causes, spec.get("request") or "")
    _check_usages(causes, spec.get("usages") or [])
    _check_signer(causes, spec.get("signerName") or "")
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < _SHORTEST:
        detail = "may not specify a duration less than 600 seconds (10 minutes)"
        causes.invalid("spec.expirationSeconds", seconds, detail)
    _check_conditions(causes, _conditions(obj))


def _check_request(causes: Causes, request: str) -> None:
    from cryptography import x509  # late: few ever ask for a certificate

    block = pem_block(request)
    if block is None or block[0] != "CERTIFICATE REQUEST":
        why = "PEM block type must be CERTIFICATE REQUEST"
    else:
        try:
            x509.load_der_x509_csr(block[1])
            return
        except ValueError as error:
            why = str(error)
    causes.invalid("spec.request", request, why)


def pem_block(encoded: str) -> tuple[str, bytes] | None:
    """The first block of a PEM text in base64, as a field of bytes holds it: its type and its content."""
    try:
        found = _BLOCK.search(base64.b64decode(encoded))
        return (found[1].decode(), base64.b64decode(found[2])) if found else None
    except (binascii.Error, ValueError):
        return None


def _check_usages(causes: Causes, usages: list[str]) -> None:
    if not usages:
        causes.required("spec.usages")
    seen: set[str] = set()
    for index, usage in enumerate(usages):
        field = f"spec.usages[{index}]"
        if usage not in USAGES:
            causes.unsupported(field, usage, USAGES)
        elif usage in seen:
            causes.duplicate(field, usage)
        seen.add(usage)


def _check_signer(causes: Causes, signer: str) -> None:
    field = "spec.signerName"
    domain, slash, path = signer.partition("/")
    if signer == _LEGACY:
        causes.invalid(field, signer, "the legacy signerName is not allowed via this API version")
    elif not signer:
        causes.required(field)
    elif not slash or "/" in path:
        causes.invalid(
            field, signer, "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        )
    else:
        for label in domain.split("."):
            wrong = (f"validating label {golang.quoted(label)}: {each}" for each in names.dns_label(label))
            causes.invalid_each(field, domain, wrong)
        causes.invalid_each(field, path, names.dns_subdomain(path))


def _check_conditions(causes: Causes, conditions: list[Obj]) -> None:
    seen: set[str] = set()
    for index, each in enumerate(conditions):
        field, kind = f"status.conditions[{index}]", each.get("type", "")
        if not kind:
            causes.required(f"{field}.type")
        if kind in (*DECISIONS, FAILED) and each.get("status") != "True":
            causes.unsupported(f"{field}.status", each.get("status", ""), ["True"])
        if kind in DECISIONS and (seen & set(DECISIONS)) - {kind}:
            causes.invalid("status.conditions", kind, "Approved and Denied conditions are mutually exclusive")
        if kind in seen:
            causes.duplicate(f"{field}.type", kind)
        seen.add(kind)


def _validate_status(causes: Causes, obj: Obj, old: Obj | None, subresource: str) -> None:
    """Decisions stand, and so does a certificate; who issues it does not decide."""
    _check_conditions(causes, _conditions(obj))
    issued, certificate = _certificate(old or {}), _certificate(obj)
    if certificate != issued and issued:
        causes.forbidden("status.certificate", "updates may not modify existing certificate content")
    elif certificate != issued:
        _check_certificate(causes, certificate)
    had, has = (Counter(each.get("type") for each in _conditions(every)) for every in (old or {}, obj))
    for kind in (*DECISIONS, FAILED):
        if had[kind] > has[kind]:
            why = f"updates may not remove a condition of type {golang.quoted(kind)}"
            causes.forbidden("status.conditions", why)
        elif had[kind] < has[kind] and kind in DECISIONS and subresource != "approval":
            causes.forbidden(
                "status.conditions", f"updates may not add a condition of type {golang.quoted(kind)}"
            )


def _certificate(obj: Obj) -> str:
    return str((obj.get("status") or {}).get("certificate") or "")


def _check_certificate(causes: Causes, certificate: str) -> None:
    block = pem_block(certificate)
    if block is None:
        causes.invalid(
            "status.certificate", "<certificate data>", "must contain at least one CERTIFICATE PEM block"
        )
    elif block[0] != "CERTIFICATE":
        detail = f"only CERTIFICATE PEM blocks are allowed, found {golang.quoted(block[0])}"
        causes.invalid("status.certificate", "<certificate data>", detail)


def _requested(row: Row) -> str:
    seconds = row.spec.get("expirationSeconds")
    return human_duration(seconds) if seconds is not None else "<none>"


def _state(row: Row) -> str:
    """``Approved,Issued``, ``Denied``, ``Pending`` …"""
    kinds = [each.get("type") for each in _conditions(row.obj)]
    said = ["Denied"] if DENIED in kinds else [APPROVED] if APPROVED in kinds else ["Pending"]
    said += [FAILED] if FAILED in kinds else []
    said += ["Issued"] if row.status.get("certificate") else []
    return ",".join(said)


CERTIFICATE_REQUEST = Kind(
    ResourceType(
        "certificates.k8s.io",
        ("v1",),
        "CertificateSigningRequest",
        "certificatesigningrequests",
        "certificatesigningrequest",
        namespaced=False,
        short_names=("csr",),
        subresources=(
            Subresource("approval", "CertificateSigningRequest"),
            status_of("CertificateSigningRequest"),
        ),
    ),
    columns=(
        NAME,
        AGE,
        Column("SignerName", lambda row: row.spec.get("signerName", "")),
        Column("Requestor", lambda row: row.spec.get("username", "")),
        Column("RequestedDuration", _requested),
        Column("Condition", _state),
    ),
    zero={"spec": {"request": None, "signerName": ""}, "status": {}},
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    prepare_status=_prepare_status,
    validate=_validate,
    validate_status=_validate_status,
    name_problems=lambda _name: [],
    fields=("spec.signerName",),
    has_generation=False,
)
