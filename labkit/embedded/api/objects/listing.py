"""Lists: selected, cut into pages, each page from the same moment.

A page's ``continue`` token names a snapshot: the shared objects of one revision, held for as long
as a few others are asked for, and not longer than etcd holds one. Holding it costs a list of references, not
copies. Whoever comes later is told so, with a token that goes on behind the last object in what there is now.
"""

from __future__ import annotations

import base64
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from labkit.embedded.api.objects.selectors import selection
from labkit.embedded.api.request import options
from labkit.embedded.api.request.target import Target
from labkit.embedded.integers import unsigned
from labkit.embedded.objects import Obj, name_of, namespace_of
from labkit.embedded.status import ApiError, bad_request, expired
from labkit.embedded.store import Store

_SNAPSHOTS_KEPT = 16
Seen = Callable[[list[Obj]], list[Obj]]
"""From objects as they are stored to what a webhook makes of them, if their kind has one for that."""
_SECONDS_KEPT = 300
"""Between two compactions of etcd."""
_NOW = -1
"""The revision in a token that means whatever there is now."""
_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new "
    "list without the continue parameter, or use the continue token in this response to retrieve the "
    "remainder of the results. Continuing with the provided token results in an inconsistent list - objects "
    "that were created, modified, or deleted between the time the first chunk was returned and now may show "
    "up in the list."
)


@dataclass(frozen=True)
class Page:
    """One answer to a list: its objects and the list's metadata."""

    objects: list[Obj]
    metadata: Obj


@dataclass(frozen=True)
class _Token:
    """Where the next page begins: at a place in a moment's list, behind an object."""

    revision: int
    start: int
    after: tuple[str, str]

    def written(self) -> str:
        content = {"rv": self.revision, "start": self.start, "after": self.after}
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


@dataclass
class Lister:
    """Answers lists from a store."""

    store: Store
    _snapshots: OrderedDict[tuple[str, str, int], tuple[float, list[Obj]]] = field(
        default_factory=OrderedDict
    )

    def page(self, target: Target, query: Mapping[str, str], seen: Seen = list) -> Page:
        """The page *query* asks for, of objects as they are *seen* in the target's version.

        400 for a bad selector, 410 for a page of a forgotten moment.
        """
        chosen = selection(target.kind, query, target.version)
        limit = max(options.number(query, "limit") or 0, 0)
        token = _parse(query["continue"]) if query.get("continue") else None
        revision, objects = self._moment(target, query, token)
        matching = objects
        if not chosen.is_everything:
            matching = [each for each in seen(objects) if chosen.matches(each)]
        start = _start(token, matching)
        end = start + limit if limit else len(matching)
        meta: Obj = {"resourceVersion": str(revision)}
        if end < len(matching):
            self._remember(target, revision, objects)
            meta["continue"] = _Token(revision, end, _key_of(matching[end - 1])).written()
            if chosen.is_everything:
                meta["remainingItemCount"] = len(matching) - end
        return Page(seen(matching[start:end]), meta)

    def _moment(
        self, target: Target, query: Mapping[str, str], token: _Token | None
    ) -> tuple[int, list[Obj]]:
        if token and token.revision != _NOW:
            return token.revision, self._recall(target, token)
        if token is None:
            check_revision(self.store, query)
        return self.store.revision, self.store.objects(target.kind.stored_as, target.namespace)

    def _remember(self, target: Target, revision: int, objects: list[Obj]) -> None:
        since, _ = self._snapshots.get(_key(target, revision), (time.monotonic(), objects))
        self._snapshots[_key(target, revision)] = since, objects
        self._snapshots.move_to_end(_key(target, revision))
        if len(self._snapshots) > _SNAPSHOTS_KEPT:
            self._snapshots.popitem(last=False)

    def _recall(self, target: Target, token: _Token) -> list[Obj]:
        since, found = self._snapshots.get(_key(target, token.revision), (0.0, None))
        if found is None or time.monotonic() - since > _SECONDS_KEPT:
            self._snapshots.pop(_key(target, token.revision), None)
            error = expired(_TOO_OLD)
            error.metadata["continue"] = _Token(_NOW, token.start, token.after).written()
            raise error
        return found


def _key(target: Target, revision: int) -> tuple[str, str, int]:
    return target.kind.stored_as, target.namespace, revision


def _key_of(obj: Obj) -> tuple[str, str]:
    """By which objects are in order."""
    return namespace_of(obj), name_of(obj)


def _start(token: _Token | None, objects: list[Obj]) -> int:
    if token is None or token.revision != _NOW:
        return token.start if token else 0
    return next((at for at, each in enumerate(objects) if _key_of(each) > token.after), len(objects))


def _parse(token: str) -> _Token:
    try:
        content = json.loads(base64.urlsafe_b64decode(token))
        namespace, name = content["after"]
        return _Token(int(content["rv"]), max(int(content["start"]), 0), (str(namespace), str(name)))
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError):
        why = "encoded as base64 of another server"
        raise bad_request(f"invalid continue token: continue key is not valid: {why}") from None


def revision_asked(query: Mapping[str, str]) -> int | None:
    """``?resourceVersion=``; None where it is not given, ApiError 400 where it is no number."""
    text = query.get("resourceVersion", "")
    if not text:
        return None
    revision = unsigned(text)
    if revision is None:
        raise bad_request(f"invalid resource version: {_no_version(text)}")
    return revision


def _no_version(text: str) -> str:
    return f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'


def check_revision(store: Store, query: Mapping[str, str]) -> None:
    """Refuse a list or get of the future (504), or of exactly a moment that has passed (410)."""
    asked = revision_asked(query)
    if asked and asked > store.revision:
        raise too_new(asked, store.revision)
    if query.get("resourceVersionMatch") == "Exact" and asked and asked < store.revision:
        raise expired(f"The provided resourceVersion {asked} is too old; the newest is {store.revision}.")


def too_new(asked: int, newest: int) -> ApiError:
    """504: the client knows a revision this server never had (its state was removed meanwhile)."""
    message = f"Too large resource version: {asked}, current: {newest}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return ApiError(504, "Timeout", message, {"causes": [cause], "retryAfterSeconds": 1})
