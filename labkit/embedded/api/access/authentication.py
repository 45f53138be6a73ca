"""Who sends a request: the owner of the cluster, or a ServiceAccount, by a bearer token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit.embedded.api.access import account_tokens, bearer, users
from labkit.embedded.api.access.keys import ISSUER, BadTokenError, SigningKey
from labkit.embedded.interfaces import User
from labkit.embedded.status import ApiError
from labkit.embedded.store import Store

INVALID = "invalid bearer token"


@dataclass(frozen=True)
class Bearer:
    """Whom a token stands for, and which of the audiences asked for it is meant for."""

    user: User
    audiences: tuple[str, ...]


class Authenticator:
    """Knows the owner's token and those that *key* has signed."""

    def __init__(self, store: Store, owner_token: str, key: SigningKey) -> None:
        self._store, self._key = store, key
        self._owner = owner_token

    def of_request(self, headers: Mapping[str, str]) -> User | None:
        """The sender; None where no token is sent, ApiError 401 for one that is not good."""
        token = bearer.token_of(headers.get("Authorization", ""))
        try:
            return self.of_token(token).user if token else None
        except BadTokenError:
            raise unauthorized() from None

    def of_token(self, token: str, audiences: Sequence[str] = ()) -> Bearer:
        """Whom *token* stands for towards one of *audiences* (default: this API); BadTokenError."""
        wanted = tuple(audiences) or (ISSUER,)
        if bearer.are_equal(token, self._owner):
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
