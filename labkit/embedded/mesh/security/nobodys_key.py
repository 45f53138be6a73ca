"""What stands for keys that could not be fetched: every token is refused by it."""

from __future__ import annotations

import base64
import functools
import json

from cryptography.hazmat.primitives.asymmetric import rsa


@functools.cache
def nobodys_key() -> str:
    """A set with a key whose private half nobody has: no token is good by it."""
    numbers = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key().public_numbers()
    return json.dumps({"keys": [{"kty": "RSA", "e": _encoded(numbers.e), "n": _encoded(numbers.n)}]})


def _encoded(number: int) -> str:
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
