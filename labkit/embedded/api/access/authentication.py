"""Who sends a request: the owner of the cluster, or a ServiceAccount, by a bearer token."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit.embedded.api.access import account_tokens, users
from labkit.embedded.api.access.keys import ISSUER, BadTokenError, SigningKey
from labkit.embedded.interfaces import User
from labkit.embedded.status import ApiError
from labkit.embedded.store import Store

INVALID = "invalid bearer token"
_SHORTEST_TOKEN = 16  # characters; less is no secret, but a file that was damaged


@dataclass(frozen=True)
class Bearer:
    """Whom a token stands for, and which of the audiences asked for it is meant for."""

    user: User
    audiences: tuple[str, ...]


class Authenticator:
    """Knows the owner's token and those that *key* has signed."""

    def __init__(self, store: Store, owner_token: str, key: SigningKey) -> None:
        self._store, self._key = store, key
        self._owner = owner_token.encode() if len(owner_token) >= _SHORTEST_TOKEN else b""

    def of_request(self, headers: Mapping[str, str]) -> User | None:
        """The sender; None where no token is sent, ApiError 401 for one that is not good."""
        scheme, *words = headers.get("Authorization", "").split()[:2] or [""]
        if scheme.lower() != "bearer" or not words:
            return None
        try:
            return self.of_token(words[0]).user
        except BadTokenError:
            raise unauthorized() from None

    def of_token(self, token: str, audiences: Sequence[str] = ()) -> Bearer:
        """Whom *token* stands for towards one of *audiences* (default: this API); BadTokenError."""
        wanted = tuple(audiences) or (ISSUER,)
        if self._is_owners(token):
            return self._meant_for(users.OWNER, (ISSUER,), wanted)
        if token.count(".") != 2:
            raise BadTokenError
        said = self._key.claims(token)
        meant = said.get("aud") or ISSUER
        return self._meant_for(
            account_tokens.user_of(self._store, said),
            (meant,) if isinstance(meant, str) else tuple(meant),
            wanted,
        )

    def _is_owners(self, token: str) -> bool:
        given = token.encode(errors="surrogateescape")
        return bool(self._owner) and hmac.compare_digest(given, self._owner)

    @staticmethod
    def _meant_for(user: User, meant: tuple[str, ...], wanted: tuple[str, ...]) -> Bearer:
        common = tuple(each for each in meant if each in wanted)
        if not common:
            shown = (" ".join(f'"{each}"' for each in audiences) for audiences in (meant, wanted))
            raise BadTokenError(
                "token audiences [{}] is invalid for the target audiences [{}]".format(*shown)
            )
        return Bearer(user, common)


def unauthorized() -> ApiError:
    """401."""
    return ApiError(401, "Unauthorized", "Unauthorized")
