"""The token of the cluster's owner: what it must be, and whether a request carries it."""

from __future__ import annotations

import hmac
import re

SHORTEST = 32
"""Characters; what `labkit up` makes has 43."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]+")


def is_token(text: str) -> bool:
    """Whether *text* can be the owner's token: not empty, short or damaged."""
    return len(text) >= SHORTEST and _TOKEN.fullmatch(text) is not None


def token_of(authorization: str) -> str:
    """The token in an ``Authorization`` header; empty where there is none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def are_equal(given: str, token: str) -> bool:
    """Whether *given* is *token*, which is never empty; takes as long for one that is nearly right."""
    known = given.encode(errors="surrogateescape"), token.encode()
    return bool(token) and hmac.compare_digest(*known)
