"""``serviceaccounts/NAME/token``: a JSON web token that names its bearer.

It is not a key to anything: services here have no secret to protect from one another, and the
API takes the kubeconfig's token only. It carries the claims a real one does, unsigned
(``alg: none``), so that a learner can look inside.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import uuid

from labkit.embedded.objects import Obj, name_of, namespace_of, timestamp, uid_of
from labkit.embedded.status import invalid

_ISSUER = "https://kubernetes.default.svc.cluster.local"
_DEFAULT_SECONDS, _LEAST_SECONDS = 3600, 600


def token_request(account: Obj, request: Obj) -> Obj:
    """*request* with its status: the token and when it expires."""
    spec = dict(request.get("spec") or {})
    seconds = spec.setdefault("expirationSeconds", _DEFAULT_SECONDS)
    spec["audiences"] = spec.get("audiences") or [_ISSUER]
    if seconds < _LEAST_SECONDS:
        message = f"Invalid value: {seconds}: may not specify a duration less than 10 minutes"
        cause = ("spec.expirationSeconds", "FieldValueInvalid", message)
        raise invalid("TokenRequest", "authentication.k8s.io", "", [cause])
    now = dt.datetime.now(dt.UTC)
    end = now + dt.timedelta(seconds=seconds)
    meta = {
        "name": name_of(account),
        "namespace": namespace_of(account),
        "creationTimestamp": timestamp(now),
    }
    status = {
        "token": _encode(_claims(account, spec["audiences"], now, end)),
        "expirationTimestamp": timestamp(end),
    }
    header = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1"}
    return {**header, "metadata": meta, "spec": spec, "status": status}


def _claims(account: Obj, audiences: list[str], now: dt.datetime, end: dt.datetime) -> Obj:
    namespace, name = namespace_of(account), name_of(account)
    return {
        "aud": audiences,
        "exp": int(end.timestamp()),
        "iat": int(now.timestamp()),
        "iss": _ISSUER,
        "jti": str(uuid.uuid4()),
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid_of(account)}},
        "nbf": int(now.timestamp()),
        "sub": f"system:serviceaccount:{namespace}:{name}",
    }


def _encode(claims: Obj) -> str:
    return f"{_base64({'alg': 'none', 'typ': 'JWT'})}.{_base64(claims)}."


def _base64(value: Obj) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()
