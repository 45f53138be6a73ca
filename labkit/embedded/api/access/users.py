"""The names that Kubernetes gives to users and groups of its own.

Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/
"""

from __future__ import annotations

from labkit.embedded.interfaces import User
from labkit.embedded.objects import Obj

MASTERS = "system:masters"
AUTHENTICATED, UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
ANONYMOUS = "system:anonymous"
SERVICE_ACCOUNTS = "system:serviceaccounts"
_ACCOUNT = "system:serviceaccount:"

OWNER = User("labkit-admin", groups=(MASTERS, AUTHENTICATED))
"""Who holds the kubeconfig of the home."""


def may_everything(user: User) -> bool:
    """Whether no rule is asked about *user*."""
    return MASTERS in user.groups


def account_name(namespace: str, name: str) -> str:
    """The user name of a ServiceAccount."""
    return f"{_ACCOUNT}{namespace}:{name}"


def account_groups(namespace: str) -> tuple[str, ...]:
    """The groups of every ServiceAccount of *namespace*."""
    return SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}"


def split_account(user_name: str) -> tuple[str, str] | None:
    """Namespace and name of the ServiceAccount that *user_name* stands for, if it does."""
    namespace, colon, name = user_name.removeprefix(_ACCOUNT).partition(":")
    is_account = user_name.startswith(_ACCOUNT) and colon and namespace and name and ":" not in name
    return (namespace, name) if is_account else None


def user_info(user: User) -> Obj:
    """*user* as ``authentication/v1.UserInfo``."""
    info: Obj = {"username": user.name} if user.name else {}
    if user.uid:
        info["uid"] = user.uid
    if user.groups:
        info["groups"] = list(user.groups)
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra.items()}
    return info
