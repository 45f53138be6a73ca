"""JSON Web Tokens of an issuer that tests make up, and its keys as a policy names them."""

import base64
import json
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa


class Issuer:
    """Signs tokens (RS256)."""

    def __init__(self, name="testing@secure.example", kid="a-key"):
        self.name, self._kid = name, kid
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def jwks(self):
        """Its key set, JSON."""
        numbers = self._key.public_key().public_numbers()
        e, n = (_coded(each.to_bytes((each.bit_length() + 7) // 8, "big")) for each in (numbers.e, numbers.n))
        return json.dumps({"keys": [{"kty": "RSA", "kid": self._kid, "alg": "RS256", "e": e, "n": n}]})

    def token(self, *, life=3600, **claims):
        """One that is good for *life* seconds."""
        head = {"alg": "RS256", "kid": self._kid, "typ": "JWT"}
        body = {"iss": self.name, "sub": self.name, "exp": int(time.time()) + life, **claims}
        signed = ".".join(_coded(json.dumps(each).encode()) for each in (head, body))
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_coded(signature)}"


def _coded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
