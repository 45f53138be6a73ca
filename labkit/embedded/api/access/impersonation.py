"""``kubectl --as``: a request in another's name, where its sender may impersonate that one.

Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from multidict import CIMultiDictProxy

from labkit.embedded.api.access import users
from labkit.embedded.api.access.attributes import Attributes
from labkit.embedded.interfaces import User
from labkit.embedded.status import bad_request

PREFIX = "impersonate-"
_USER, _GROUP, _UID, _EXTRA = "Impersonate-User", "Impersonate-Group", "Impersonate-Uid", "impersonate-extra-"
_AUTHENTICATION = "authentication.k8s.io"


@dataclass(frozen=True)
class Impersonation:
    """Whom a request asks to be taken for."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def questions(self) -> Iterator[Attributes]:
        """What its sender must all be allowed."""
        account = users.split_account(self.name)
        namespace, name = account or ("", self.name)
        yield Attributes("impersonate", "", "serviceaccounts" if account else "users", "", namespace, name)
        for group in self.groups:
            yield Attributes("impersonate", "", "groups", name=group)
        for key, values in self.extra.items():
            for value in values:
                yield Attributes("impersonate", _AUTHENTICATION, "userextras", key, name=value)
        if self.uid:
            yield Attributes("impersonate", _AUTHENTICATION, "uids", name=self.uid)

    def user(self) -> User:
        """The one, with the groups that go without saying."""
        account = users.split_account(self.name)
        groups = self.groups or (users.account_groups(account[0]) if account else ())
        implied = users.UNAUTHENTICATED if self.name == users.ANONYMOUS else users.AUTHENTICATED
        if not {implied, users.UNAUTHENTICATED} & set(groups):
            groups = (*groups, implied)
        return User(self.name, self.uid, groups, self.extra)


def asked_for(headers: CIMultiDictProxy[str]) -> Impersonation | None:
    """What the headers ask; None where nothing, ApiError 400 where they name no user."""
    if not any(name.lower().startswith(PREFIX) for name in headers):
        return None
    extra: dict[str, tuple[str, ...]] = {}
    for name, value in headers.items():
        if name.lower().startswith(_EXTRA):
            key = unquote(_text(name).lower().removeprefix(_EXTRA))
            extra[key] = (*extra.get(key, ()), _text(value))
    groups = tuple(map(_text, headers.getall(_GROUP, ())))
    found = Impersonation(_text(headers.get(_USER, "")), _text(headers.get(_UID, "")), groups, extra)
    if found.name:
        return found
    if not (groups or extra or found.uid):
        return None
    asked = [*groups, *(value for values in extra.values() for value in values), found.uid]
    raise bad_request(f"requested {' '.join(filter(None, asked))} without impersonating a user")


def _text(header: str) -> str:
    """*header* without bytes that are no text."""
    return header.encode(errors="surrogateescape").decode(errors="replace")
