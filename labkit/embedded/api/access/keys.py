"""The key of a cluster that signs the tokens of its ServiceAccounts (ES256).

Signing and checking are PyJWT's; it is imported when the first token is met, for most clusters have none.
Source: https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from labkit.embedded.objects import Obj

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

ISSUER = "https://kubernetes.default.svc.cluster.local"
_ALGORITHM = "ES256"
_LEEWAY_SECONDS = 60
_LONGEST_TOKEN = 16 * 1024  # bytes


class BadTokenError(Exception):
    """Not a token of ours, or one whose time is over; the reason is the message, if there is any to tell."""


def new_key() -> str:
    """A private key, as PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(serialization.Encoding.PEM, form, plain).decode()


def is_key(pem: str) -> bool:
    """Whether *pem* is a private key that can sign here."""
    try:
        _loaded(pem)
    except (TypeError, ValueError):
        return False
    return True


def _loaded(pem: str) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise TypeError("the key that signs tokens must be one on the curve P-256")
    return key


class SigningKey:
    """Signs, checks, and tells the public half."""

    def __init__(self, load: Callable[[], str] = new_key) -> None:
        """*load*: the private key, as PEM; asked when it is first needed."""
        self._load = load

    def sign(self, claims: Obj) -> str:
        """*claims* of this issuer as a JSON web token."""
        import jwt

        headers = {"kid": self.key_id, "typ": None}
        return jwt.encode({**claims, "iss": ISSUER}, self._private, _ALGORITHM, headers=headers)

    def claims(self, token: str) -> Obj:
        """What *token* says; BadTokenError where this key did not sign it, or it is not valid now."""
        import jwt

        if len(token) > _LONGEST_TOKEN:
            raise BadTokenError
        try:
            found: Obj = jwt.decode(
                token,
                self._private.public_key(),
                [_ALGORITHM],
                options={"verify_aud": False},
                issuer=ISSUER,
                leeway=_LEEWAY_SECONDS,
            )
        except jwt.ExpiredSignatureError as error:
            raise BadTokenError("service account token has expired") from error
        except jwt.ImmatureSignatureError as error:
            raise BadTokenError("service account token is not valid yet") from error
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise BadTokenError from error
        return found

    @cached_property
    def key_id(self) -> str:
        """The digest of the public key: as long as the key is the same, so is its name."""
        from cryptography.hazmat.primitives import serialization

        form = serialization.PublicFormat.SubjectPublicKeyInfo
        public = self._private.public_key().public_bytes(serialization.Encoding.DER, form)
        return base64.urlsafe_b64encode(hashlib.sha256(public).digest()).rstrip(b"=").decode()

    @cached_property
    def jwks(self) -> Obj:
        """The public half as a JSON web key set (RFC 7517)."""
        from jwt.algorithms import ECAlgorithm

        public: dict[str, Any] = ECAlgorithm.to_jwk(self._private.public_key(), as_dict=True)
        return {"keys": [{"use": "sig", "kid": self.key_id, "alg": _ALGORITHM, **public}]}

    @cached_property
    def _private(self) -> EllipticCurvePrivateKey:
        return _loaded(self._load())
