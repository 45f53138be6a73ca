"""Lists: selected, cut into pages, each page from the same moment.

A page's ``continue`` token names a snapshot: the shared objects of one revision, held for as long
as a few others are asked for. Holding it costs a list of references, not copies.
"""

from __future__ import annotations

import base64
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from labkit.embedded.api.objects.selectors import selection
from labkit.embedded.api.request import options
from labkit.embedded.api.request.target import Target
from labkit.embedded.integers import unsigned
from labkit.embedded.objects import Obj
from labkit.embedded.status import ApiError, bad_request, expired
from labkit.embedded.store import Store

_SNAPSHOTS_KEPT = 16
Seen = Callable[[list[Obj]], list[Obj]]
"""From objects as they are stored to what a webhook makes of them, if their kind has one for that."""


@dataclass(frozen=True)
class Page:
    """One answer to a list: its objects and the list's metadata."""

    objects: list[Obj]
    metadata: Obj


@dataclass
class Lister:
    """Answers lists from a store."""

    store: Store
    _snapshots: OrderedDict[tuple[str, str, int], list[Obj]] = field(default_factory=OrderedDict)

    def page(self, target: Target, query: Mapping[str, str], seen: Seen = list) -> Page:
        """The page *query* asks for, of objects as they are *seen* in the target's version.

        400 for a bad selector, 410 for a page of a forgotten moment.
        """
        chosen = selection(target.kind, query, target.version)
        limit, token = max(options.number(query, "limit") or 0, 0), query.get("continue", "")
        revision, start, objects = self._moment(target, query, token)
        matching = objects
        if not chosen.is_everything:
            matching = [each for each in seen(objects) if chosen.matches(each)]
        end = start + limit if limit else len(matching)
        meta: Obj = {"resourceVersion": str(revision)}
        if end < len(matching):
            self._remember(target, revision, objects)
            meta["continue"] = _token(revision, end)
            if chosen.is_everything:
                meta["remainingItemCount"] = len(matching) - end
        return Page(seen(matching[start:end]), meta)

    def _moment(self, target: Target, query: Mapping[str, str], token: str) -> tuple[int, int, list[Obj]]:
        if token:
            revision, start = _parse(token)
            return revision, start, self._recall(target, revision)
        check_revision(self.store, query)
        return self.store.revision, 0, self.store.objects(target.kind.stored_as, target.namespace)

    def _remember(self, target: Target, revision: int, objects: list[Obj]) -> None:
        self._snapshots[_key(target, revision)] = objects
        self._snapshots.move_to_end(_key(target, revision))
        if len(self._snapshots) > _SNAPSHOTS_KEPT:
            self._snapshots.popitem(last=False)

    def _recall(self, target: Target, revision: int) -> list[Obj]:
        found = self._snapshots.get(_key(target, revision))
        if found is None:
            raise expired(
                "The provided continue parameter is too old to display a consistent list result. "
                "You must start a new list without the continue parameter."
            )
        return found


def _key(target: Target, revision: int) -> tuple[str, str, int]:
    return target.kind.stored_as, target.namespace, revision


def _token(revision: int, start: int) -> str:
    return base64.urlsafe_b64encode(json.dumps({"rv": revision, "start": start}).encode()).decode()


def _parse(token: str) -> tuple[int, int]:
    try:
        content = json.loads(base64.urlsafe_b64decode(token))
        return int(content["rv"]), max(int(content["start"]), 0)
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
