"""Tokens of ServiceAccounts: what they say, and whether that still holds.

A token ends with its account, and with the Pod, Secret or Node that it is bound to.
Source: pkg/serviceaccount/claims.go of Kubernetes.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence

from labkit.embedded.api.access import users
from labkit.embedded.api.access.keys import BadTokenError
from labkit.embedded.interfaces import User
from labkit.embedded.objects import Obj, name_of, namespace_of, uid_of
from labkit.embedded.store import Store

BOUND = {"Pod": "pods", "Secret": "secrets", "Node": "nodes"}
"""What a token can be bound to: kind → resource."""

_EXTRA = "authentication.kubernetes.io/"
_GRACE = dt.timedelta(seconds=60)


def claims(
    account: Obj, audiences: Sequence[str], now: dt.datetime, end: dt.datetime, bound: dict[str, Obj]
) -> Obj:
    """What a token of *account* says; *bound*: kind → object (a pod's node goes with the pod)."""
    namespace, name = namespace_of(account), name_of(account)
    private = {"namespace": namespace, "serviceaccount": _reference(account)}
    private |= {kind.lower(): _reference(obj) for kind, obj in bound.items()}
    return {
        "aud": list(audiences),
        "exp": int(end.timestamp()),
        "iat": int(now.timestamp()),
        "jti": str(uuid.uuid4()),
        "kubernetes.io": private,
        "nbf": int(now.timestamp()),
        "sub": users.account_name(namespace, name),
    }


def _reference(obj: Obj) -> Obj:
    return {"name": name_of(obj), "uid": uid_of(obj)}


def user_of(store: Store, said: Obj) -> User:
    """Who bears a token that says *said* (its signature holds); BadTokenError if nobody any more."""
    private = said.get("kubernetes.io") or {}
    namespace, account = private.get("namespace", ""), private.get("serviceaccount") or {}
    name = account.get("name", "")
    _check_account(store.get("serviceaccounts", name, namespace), namespace, account)
    for kind, resource in BOUND.items():
        if kind.lower() in private and not (kind == "Node" and "pod" in private):
            place = "" if kind == "Node" else namespace
            _check_bound(store.get(resource, private[kind.lower()]["name"], place), kind, private)
    groups = (*users.account_groups(namespace), users.AUTHENTICATED)
    return User(users.account_name(namespace, name), account["uid"], groups, _extra(said, private))


def _check_account(found: Obj | None, namespace: str, claimed: Obj) -> None:
    name = claimed.get("name", "")
    if found is None:
        raise BadTokenError(f'serviceaccounts "{name}" not found')
    if uid_of(found) != claimed.get("uid"):
        why = f"service account UID ({uid_of(found)}) does not match claim ({claimed.get('uid')})"
        raise BadTokenError(why)
    if _is_long_deleted(found):
        raise BadTokenError(f"service account {namespace}/{name} has been deleted")


def _check_bound(found: Obj | None, kind: str, private: Obj) -> None:
    claimed = private[kind.lower()].get("uid")
    if found is None or _is_long_deleted(found):
        raise BadTokenError("service account token has been invalidated")
    if uid_of(found) != claimed:
        what = f"service account {kind.lower()} ref claim ({claimed})"
        raise BadTokenError(
            f"{kind if kind != 'Node' else 'node'} UID ({uid_of(found)}) does not match {what}"
        )


def _is_long_deleted(obj: Obj) -> bool:
    marked = obj["metadata"].get("deletionTimestamp")
    return bool(marked) and dt.datetime.fromisoformat(marked) < dt.datetime.now(dt.UTC) - _GRACE


def _extra(said: Obj, private: Obj) -> dict[str, tuple[str, ...]]:
    extra: dict[str, tuple[str, ...]] = {}
    if said.get("jti"):
        extra[f"{_EXTRA}credential-id"] = (f"JTI={said['jti']}",)
    for kind in ("node", "pod"):
        for key, value in (private.get(kind) or {}).items():
            extra[f"{_EXTRA}{kind}-{key}"] = (value,)
    return extra
