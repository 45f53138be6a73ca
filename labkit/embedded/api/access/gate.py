"""The way in: authenticated, perhaps in another's name, then allowed or refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from multidict import CIMultiDictProxy

from labkit.embedded.api.access import client_certificates, impersonation
from labkit.embedded.api.access.attributes import Attributes
from labkit.embedded.api.access.authentication import Authenticator, unauthorized
from labkit.embedded.api.access.keys import SigningKey
from labkit.embedded.api.access.rbac import Authorizer
from labkit.embedded.api.types.resources import qualified
from labkit.embedded.interfaces import User
from labkit.embedded.status import ApiError
from labkit.embedded.store import Store

OPEN_PATHS = ("/healthz", "/livez", "/readyz", "/version")
"""What everybody on this machine may read. A binding to ``system:unauthenticated`` opens nothing more."""


class Gate:
    """Who may enter, and with which request."""

    def __init__(self, store: Store, owner_token: str, key: SigningKey) -> None:
        self.key = key
        self.authenticator = Authenticator(store, owner_token, key)
        self.authorizer = Authorizer(store)

    def authenticate(
        self, headers: CIMultiDictProxy[str], certificate: Mapping[str, Any] | None = None
    ) -> User | None:
        """Who sends a request; None where nobody says, ApiError 401 for a token that is not good.

        *certificate*: the client's, which the handshake has found good.
        """
        by_certificate = client_certificates.user_of(certificate) if certificate else None
        return by_certificate or self.authenticator.of_request(headers)

    def admit(self, user: User | None, headers: CIMultiDictProxy[str], asked: Attributes) -> User | None:
        """In whose name *user* may do *asked*; None for anybody at an open path, ApiError 401 or 403."""
        if user is None:
            if asked.verb == "get" and not asked.is_resource and asked.path.rstrip("/") in OPEN_PATHS:
                return None
            raise unauthorized()
        wanted = impersonation.asked_for(headers)
        if wanted:
            for question in impersonation.questions(wanted):
                self.require(user, question)
            user = impersonation.completed(wanted)
        self.require(user, asked)
        return user

    def require(self, user: User, asked: Attributes) -> None:
        """ApiError 403 where *user* may not."""
        decision = self.authorizer.decide(user, asked)
        if not decision.allowed:
            raise refusal(user, asked, decision.reason)


@dataclass(frozen=True)
class Requester:
    """Who was let in, and with what."""

    gate: Gate
    user: User
    asked: Attributes

    def require(self, verb: str) -> None:
        """ApiError 403 where the user may not *verb* as well what the request is about."""
        self.gate.require(self.user, replace(self.asked, verb=verb))


def refusal(user: User, asked: Attributes, reason: str = "") -> ApiError:
    """403, in the real server's words."""
    why = f"User {json.dumps(user.name, ensure_ascii=False)} cannot {asked.verb} {_what(asked)}"
    why = f"{why}: {reason}" if reason else why
    if not asked.resource:
        return ApiError(403, "Forbidden", f"forbidden: {why}", {})
    resource = qualified(asked.resource, asked.group)
    name = f' "{asked.name}"' if asked.name else ""
    details = {"name": asked.name, "group": asked.group, "kind": asked.resource}
    told = {key: value for key, value in details.items() if value}
    return ApiError(403, "Forbidden", f"{resource}{name} is forbidden: {why}", told)


def _what(asked: Attributes) -> str:
    if not asked.is_resource:
        return f'path "{asked.path}"'
    place = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    return f'resource "{asked.combined}" in API group "{asked.group}" {place}'
