"""Requests about certificates, for both servers."""

import base64
import textwrap
from typing import Any

from .differential_requests import APPLY, MERGE, TABLE, Request

REQUESTED = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
JANE = base64.b64encode(
    textwrap.dedent("""\
    -----BEGIN CERTIFICATE REQUEST-----
    MIHWMH8CAQAwHTENMAsGA1UEAwwEamFuZTEMMAoGA1UECgwDZGV2MFkwEwYHKoZI
    zj0CAQYIKoZIzj0DAQcDQgAEtNrBVxkxSsLUTeqGJzYh3ipKWMoN1ElrdDfD2CQc
    5S3EAldgxc4TtO+4Ut9JGZ/Qe/Lu2XOBjyrz//Y8lfBqq6AAMAoGCCqGSM49BAMC
    A0cAMEQCIGtQVf1DQd8nKWe1T8QNhRrbet+Sjzv6r8HO6gcoJyOjAiAkUImvKPyp
    DBgd3YuN7qlubgupS1ASLK2GQV+1R2w+3Q==
    -----END CERTIFICATE REQUEST-----
    """).encode()
).decode()
"""Signed once by a key that nobody has any more; for ``CN=jane,O=dev``."""
CLIENTS = "example.com/clients"
"""Nobody signs for it here."""


def _spec(**changed: Any) -> dict[str, Any]:
    return {"request": JANE, "signerName": CLIENTS, "usages": ["client auth"], **changed}


def _object(name: str, spec: dict[str, Any], **fields: Any) -> dict[str, Any]:
    header = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
    return {**header, "metadata": {"name": name}, "spec": spec, **fields}


def _make(name: str = "bad", **changed: Any) -> Request:
    return Request("POST", REQUESTED, _object(name, _spec(**changed)))


def _condition(kind: str, status: str = "True") -> dict[str, Any]:
    times = dict.fromkeys(("lastUpdateTime", "lastTransitionTime"), "2026-01-01T00:00:00Z")
    return {"type": kind, "status": status, "reason": "ByHand", "message": "", **times}


def _status(part: str, *conditions: dict[str, Any], name: str = "jane", **fields: Any) -> Request:
    body = {"status": {"conditions": list(conditions), **fields}}
    return Request("PATCH", f"{REQUESTED}/{name}/{part}", body, content_type=MERGE)


REQUESTS: dict[str, Request] = {
    "request for a certificate": _make("jane", username="somebody", groups=["admins"]),
    "request of a day": _make("day", expirationSeconds=86400),
    "requests as a table": Request("GET", REQUESTED, accept=TABLE),
    "requests to one signer": Request("GET", f"{REQUESTED}?fieldSelector=spec.signerName={CLIENTS}"),
    "request that is none": _make(request=base64.b64encode(b"no request").decode()),
    "request without usages": _make(usages=[]),
    "request for unknown usages": _make(usages=["client auth", "fun"]),
    "request for a usage twice": _make(usages=["client auth", "client auth"]),
    "request to nobody": _make(signerName=""),
    "request to a short name": _make(signerName="somebody"),
    "request to a bad name": _make(signerName="Some_Body.example/x"),
    "request to the old signer": _make(signerName="kubernetes.io/legacy-unknown"),
    "request of a minute": _make(expirationSeconds=60),
    "request changed": Request(
        "PATCH", f"{REQUESTED}/jane", {"spec": {"usages": ["any"]}}, content_type=MERGE
    ),
    "approval": Request("GET", f"{REQUESTED}/jane/approval"),
    "approved by the wrong door": _status("status", _condition("Approved")),
    "approved and not": _status("approval", _condition("Approved", "False")),
    "approved and denied": _status("approval", _condition("Approved"), _condition("Denied")),
    "approved twice": _status("approval", _condition("Approved"), _condition("Approved")),
    "approved": _status("approval", _condition("Approved")),
    "approval taken back": _status("approval"),
    "approval lost": _status("status", _condition("Failed")),
    "issued: what is none": _status("status", certificate=base64.b64encode(b"nothing").decode()),
    "denied": _status("approval", _condition("Denied"), name="day"),
    "requests decided, as a table": Request("GET", REQUESTED, accept=TABLE),
    "request applied": Request(
        "PATCH",
        f"{REQUESTED}/applied?fieldManager=me",
        _object("applied", _spec(signerName="example.com/own")),
        content_type=APPLY,
    ),
    "requests gone": Request("DELETE", REQUESTED),
}
