"""The tokens that pods find in their volumes: asked for once, kept, and asked for anew before they end.

Source: pkg/kubelet/token of Kubernetes.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import NamedTuple

from labkit.embedded.interfaces import AccountTokens
from labkit.embedded.objects import Obj, name_of, namespace_of, uid_of
from labkit.embedded.status import ApiError

log = logging.getLogger(__name__)

_LONGEST_USE = dt.timedelta(hours=24)
_PART_USED = 0.8
_DEFAULT_SECONDS = 3600


class TokenError(Exception):
    """There is no token to be had."""


class _Key(NamedTuple):
    uid: str
    """The pod's."""
    audience: str
    seconds: int


class _Token(NamedTuple):
    text: str
    due: dt.datetime
    """When there shall be a new one."""
    end: dt.datetime


def now() -> dt.datetime:
    """The time."""
    return dt.datetime.now(dt.UTC)


class Tokens:
    """Those of one node's pods."""

    def __init__(self, source: AccountTokens) -> None:
        self._source = source
        self._known: dict[_Key, _Token] = {}

    def get(self, pod: Obj, wanted: Obj) -> str:
        """The token of *pod*'s ServiceAccount for *wanted*, a volume's ``serviceAccountToken``.

        TokenError where there is none; as long as one from before is good, it is used on.
        """
        seconds = int(wanted.get("expirationSeconds") or _DEFAULT_SECONDS)
        key = _Key(uid_of(pod), str(wanted.get("audience") or ""), seconds)
        known = self._known.get(key)
        if known is None or now() >= known.due:
            known = self._known[key] = self._renewed(pod, key, known)
        return known.text

    def are_due(self, pod: Obj) -> bool:
        """Whether one of *pod*'s should be asked for anew."""
        time = now()
        return any(time >= each.due for key, each in self._known.items() if key.uid == uid_of(pod))

    def forget(self, pod: Obj) -> None:
        """*pod* has gone."""
        self._known = {key: each for key, each in self._known.items() if key.uid != uid_of(pod)}

    def _renewed(self, pod: Obj, key: _Key, known: _Token | None) -> _Token:
        try:
            return self._asked_for(pod, key)
        except ApiError as error:
            if known is None:
                raise TokenError(f"failed to fetch token: {error}") from error
            if now() >= known.end:
                raise TokenError(f"token expired and refresh failed: {error}") from error
            log.warning("token of pod %s/%s not renewed: %s", namespace_of(pod), name_of(pod), error)
            return known

    def _asked_for(self, pod: Obj, key: _Key) -> _Token:
        bound = {"apiVersion": "v1", "kind": "Pod", "name": name_of(pod), "uid": key.uid}
        spec = {
            "audiences": [key.audience] if key.audience else [],
            "expirationSeconds": key.seconds,
            "boundObjectRef": bound,
        }
        account = str(pod["spec"].get("serviceAccountName") or "default")
        begin = now()
        answer = self._source.request(namespace_of(pod), account, {"spec": spec})
        lifetime = dt.timedelta(seconds=key.seconds)
        due = begin + min(lifetime * _PART_USED, _LONGEST_USE)
        return _Token(str(answer["status"]["token"]), due, begin + lifetime)
