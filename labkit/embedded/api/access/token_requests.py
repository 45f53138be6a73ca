"""``serviceaccounts/NAME/token``: ``kubectl create token``, and what a node asks for its pods.

Source: pkg/registry/core/serviceaccount/storage/token.go of Kubernetes.
"""

from __future__ import annotations

import datetime as dt

from labkit.embedded.api.access import account_tokens
from labkit.embedded.api.access.keys import ISSUER, SigningKey
from labkit.embedded.objects import Obj, name_of, namespace_of, timestamp, uid_of
from labkit.embedded.status import bad_request, conflict, invalid, not_found
from labkit.embedded.store import Store

_KIND, _GROUP = "TokenRequest", "authentication.k8s.io"
_DEFAULT_SECONDS, _LEAST_SECONDS, _MOST_SECONDS = 3600, 600, 2**32


class TokenRequests:
    """Answers them."""

    def __init__(self, store: Store, key: SigningKey) -> None:
        self._store, self._key = store, key

    def request(self, namespace: str, account: str, request: Obj) -> Obj:
        """As :meth:`answer`, of the *account* so named: for the node, see ``interfaces.AccountTokens``."""
        found = self._store.get("serviceaccounts", account, namespace)
        if found is None:
            raise not_found("serviceaccounts", account)
        return self.answer(found, request)

    def answer(self, account: Obj, request: Obj) -> Obj:
        """*request* with its status: the token and when it expires; ApiError 400, 404, 409, 422."""
        _check_identity(account, request.get("metadata") or {})
        spec = dict(request.get("spec") or {})
        spec["audiences"] = spec.get("audiences") or [ISSUER]
        seconds = spec["expirationSeconds"] = spec.get("expirationSeconds", _DEFAULT_SECONDS)
        _check_duration(seconds)
        bound = self._bound(account, spec["boundObjectRef"]) if spec.get("boundObjectRef") else {}
        now = dt.datetime.now(dt.UTC)
        end = now + dt.timedelta(seconds=seconds)
        said = account_tokens.claims(account, spec["audiences"], now, end, bound)
        status = {"token": self._key.sign(said), "expirationTimestamp": timestamp(end)}
        header = {"kind": _KIND, "apiVersion": f"{_GROUP}/v1"}
        meta = {key: account["metadata"][key] for key in ("name", "namespace", "uid")}
        meta["creationTimestamp"] = timestamp(now)
        return {**header, "metadata": meta, "spec": spec, "status": status}

    def _bound(self, account: Obj, reference: Obj) -> dict[str, Obj]:
        kind, name = reference.get("kind", ""), reference.get("name", "")
        version = reference.get("apiVersion", "")
        if kind not in account_tokens.BOUND or version not in ("v1", ""):
            group, _, number = version.rpartition("/")
            raise bad_request(f"cannot bind token to object of type {group}/{number}, Kind={kind}")
        resource = account_tokens.BOUND[kind]
        found = self._store.get(resource, name, "" if kind == "Node" else namespace_of(account))
        if found is None:
            raise not_found(resource, name)
        if kind == "Pod" and found["spec"].get("serviceAccountName") != name_of(account):
            owner = f'cannot bind token for serviceaccount "{name_of(account)}"'
            raise bad_request(f"{owner} to pod running with different serviceaccount name.")
        wanted = reference.get("uid")
        if wanted and wanted != uid_of(found):
            why = f"the UID in the bound object reference ({wanted}) does not match the UID in record."
            raise conflict(kind, name, f"{why} The object might have been deleted and then recreated")
        return {kind: found, **self._node_of(kind, found)}

    def _node_of(self, kind: str, pod: Obj) -> dict[str, Obj]:
        name = pod["spec"].get("nodeName", "") if kind == "Pod" else ""
        node = self._store.get("nodes", name) if name else None
        return {"Node": node} if node else {}


def _check_identity(account: Obj, meta: Obj) -> None:
    for key, found in (("name", name_of(account)), ("namespace", namespace_of(account))):
        if meta.get(key) and meta[key] != found:
            message = f'Invalid value: "{meta[key]}": must match the service account {key} if specified'
            raise invalid(
                _KIND, _GROUP, name_of(account), [(f"metadata.{key}", "FieldValueInvalid", message)]
            )
    if meta.get("uid") and meta["uid"] != uid_of(account):
        given = f"the UID in the token request ({meta['uid']})"
        why = f"{given} does not match the UID of the service account ({uid_of(account)})"
        raise conflict(f"{_KIND}.{_GROUP}", name_of(account), why)


def _check_duration(seconds: int) -> None:
    if _LEAST_SECONDS <= seconds <= _MOST_SECONDS:
        return
    bound = "less than 10 minutes" if seconds < _LEAST_SECONDS else "larger than 2^32 seconds"
    message = f"Invalid value: {seconds}: may not specify a duration {bound}"
    raise invalid(_KIND, _GROUP, "", [("spec.expirationSeconds", "FieldValueInvalid", message)])
