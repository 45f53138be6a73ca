"""A report's signature: a token of the cluster's own that carries the report's digests.

Every Kubernetes signs tokens for its ServiceAccounts (TokenRequest), for any audience; and publishes the
keys by which anybody can check them (``/openid/v1/jwks``). So the digests of a report's parts are the
audiences of a token of the ``default`` account in the record's namespace: nothing accepts it as a
password, and nobody but the cluster can have made it. It is checked after its time is over, too: what
counts is when it was issued.

What it proves: the report is as it was when this cluster signed it, asked by somebody who may act in that
learner's namespace. Not more: they may ask for a signature of anything, and who owns a cluster owns its key.

Sources: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/,
https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labkit.errors import LabkitError
from labkit.kube.api.api import Api, Obj
from labkit.record.report import SCHEMA, Document, canonical

KEYS_PATH = "/openid/v1/jwks"
PAGE = "page"
"""The part of a report that is not in the document: what is seen of it."""
_SECONDS = 600
_ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512"]


@dataclass(frozen=True)
class Signed:
    """What a signature that is valid says."""

    digests: frozenset[str]
    account: str
    """``system:serviceaccount:NAMESPACE:NAME``."""
    issued: int
    """Seconds since the epoch."""
    fingerprint: str
    """Of the key it was made with."""


# ------------------------------------------------------------------------------------------------ digests


def parts(document: Document) -> dict[str, str]:
    """The canonical text of each part of *document*, by the part's name."""
    steps = {f"step {one['number']}": canonical(one) for one in document["steps"]}
    others = {key: canonical(value) for key, value in document.items() if key != "steps"}
    return others | steps


def digests(texts: Mapping[str, str]) -> dict[str, str]:
    """The digest of each part, as it stands in a token: with the part's name, so that none can be swapped."""
    return {
        part: f"{SCHEMA}/{part.replace(' ', '-')}/sha256-{hashlib.sha256(text.encode()).hexdigest()}"
        for part, text in texts.items()
    }


# ---------------------------------------------------------------------------------------- signing, keys


def sign(api: Api, namespace: str, texts: Mapping[str, str]) -> Obj:
    """The signature of *texts*: a token, and the cluster's keys; ApiRefused where one may not ask for it."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token"
    spec = {"audiences": sorted(digests(texts).values()), "expirationSeconds": _SECONDS}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    token = api.request("POST", path, body=body).object["status"]["token"]
    try:
        keys = api.get(KEYS_PATH)
    except LabkitError:  # it is verified by whoever may ask for them
        keys = {"keys": []}
    return {"token": token, "keys": keys}


def known_keys(keys: Obj) -> dict[str, Any]:
    """The keys of a JSON web key set, by their fingerprints; what is no key there is left out."""
    import jwt

    found = {}
    listed = keys.get("keys")
    for each in listed if isinstance(listed, list) else []:
        try:
            key = jwt.PyJWK(each)
            found[fingerprint(key.key)] = key
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, KeyError):
            continue
    return found


def fingerprint(key: Any) -> str:
    """The SHA-256 of a public key: what Kubernetes names a key by in its tokens (``kid``)."""
    from cryptography.hazmat.primitives import serialization

    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public = key.public_bytes(serialization.Encoding.DER, form)
    return base64.urlsafe_b64encode(hashlib.sha256(public).digest()).rstrip(b"=").decode()


def checked(token: str, keys: Mapping[str, Any]) -> Signed | None:
    """What *token* says, where one of *keys* has made it."""
    import jwt

    options: Any = {"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False}
    for name, key in keys.items():
        try:
            said = jwt.decode(token, key.key, _ALGORITHMS, options=options)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            continue
        audiences = said.get("aud")
        listed = [audiences] if isinstance(audiences, str) else audiences or []
        return Signed(frozenset(map(str, listed)), str(said.get("sub")), int(said.get("iat", 0)), name)
    return None


def changed_parts(signed: Signed, texts: Mapping[str, str]) -> list[str]:
    """Names of the parts that are not as they were signed: changed, added, or missing now."""
    now = digests(texts)
    different = [part for part, digest in now.items() if digest not in signed.digests]
    then = {name for digest in signed.digests if (name := _part(digest))}
    return [*different, *sorted(then - {part.replace(" ", "-") for part in now})]


def _part(digest: str) -> str:
    words = digest.removeprefix(f"{SCHEMA}/").split("/")
    return words[0] if digest.startswith(f"{SCHEMA}/") and len(words) == 2 else ""
