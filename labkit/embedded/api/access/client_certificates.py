"""Whom a client's certificate stands for: its common name is the user's, its organizations are the groups.

Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labkit.embedded.api.access import users
from labkit.embedded.interfaces import User


def user_of(certificate: Mapping[str, Any]) -> User | None:
    """The user, of a certificate as ``ssl`` tells of it; None where it names nobody."""
    said = [pair for part in certificate.get("subject", ()) for pair in part]
    names = [value for key, value in said if key == "commonName"]
    groups = [value for key, value in said if key == "organizationName"]
    return User(names[0], groups=(*groups, users.AUTHENTICATED)) if names and names[0] else None
