"""``kubectl --as``: a request in another's name, where its sender may impersonate that one.

Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote

from multidict import CIMultiDictProxy

from labkit.embedded.api.access import users
from labkit.embedded.api.access.attributes import Attributes
from labkit.embedded.interfaces import User
from labkit.embedded.status import bad_request

PREFIX = "impersonate-"
_USER, _GROUP, _UID, _EXTRA = "Impersonate-User", "Impersonate-Group", "Impersonate-Uid", "impersonate-extra-"
_AUTHENTICATION = "authentication.k8s.io"


def questions(wanted: User) -> Iterator[Attributes]:
    """What the sender must all be allowed, to be taken for *wanted*."""
    account = users.split_account(wanted.name)
    namespace, name = account or ("", wanted.name)
    yield Attributes("impersonate", "", "serviceaccounts" if account else "users", "", namespace, name)
    for group in wanted.groups:
        yield Attributes("impersonate", "", "groups", name=group)
    for key, values in wanted.extra.items():
        for value in values:
            yield Attributes("impersonate", _AUTHENTICATION, "userextras", key, name=value)
    if wanted.uid:
        yield Attributes("impersonate", _AUTHENTICATION, "uids", name=wanted.uid)


def completed(wanted: User) -> User:
    """*wanted* with the groups that go without saying."""
    account = users.split_account(wanted.name)
    groups = wanted.groups or (users.account_groups(account[0]) if account else ())
    implied = users.UNAUTHENTICATED if wanted.name == users.ANONYMOUS else users.AUTHENTICATED
    if not {implied, users.UNAUTHENTICATED} & set(groups):
        groups = (*groups, implied)
    return replace(wanted, groups=groups)


def asked_for(headers: CIMultiDictProxy[str]) -> User | None:
    """Whom a request asks to be taken for; None where for nobody, ApiError 400 where it names no user."""
    if not any(name.lower().startswith(PREFIX) for name in headers):
        return None
    extra: dict[str, tuple[str, ...]] = {}
    for name, value in headers.items():
        if name.lower().startswith(_EXTRA):
            key = unquote(_text(name).lower().removeprefix(_EXTRA))
            extra[key] = (*extra.get(key, ()), _text(value))
    groups = tuple(map(_text, headers.getall(_GROUP, ())))
    found = User(_text(headers.get(_USER, "")), _text(headers.get(_UID, "")), groups, extra)
    if found.name:
        return found
    if not (groups or extra or found.uid):
        return None
    asked = [*groups, *(value for values in extra.values() for value in values), found.uid]
    raise bad_request(f"requested {' '.join(filter(None, asked))} without impersonating a user")


def _text(header: str) -> str:
    """*header* without bytes that are no text."""
    return header.encode(errors="surrogateescape").decode(errors="replace")
