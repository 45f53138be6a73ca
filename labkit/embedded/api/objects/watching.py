"""Watches over HTTP: a stream of changes that can be resumed, bounded in time and memory.

What is there and the subscription to what changes are taken in one step, so nothing falls between.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace

from aiohttp import web

from labkit.embedded.api.admission.webhooks.journal import Asks
from labkit.embedded.api.objects import conversions, frames
from labkit.embedded.api.objects.listing import revision_asked, too_new
from labkit.embedded.api.objects.present import Presenter
from labkit.embedded.api.objects.selectors import Selection, selection
from labkit.embedded.api.request import options
from labkit.embedded.api.request.responses import encode
from labkit.embedded.objects import Obj, at_revision, namespace_of
from labkit.embedded.status import ApiError, expired, invalid
from labkit.embedded.store import Change, Store

BOOKMARK_INTERVAL = 60.0  # seconds
_TIMEOUTS = (1800, 3600)  # seconds; a random one in between, so that clients don't return in step
_AT_ONCE = 200  # objects; then others have their turn
_MOST_PENDING = 20_000  # changes a client may lag behind
_INITIAL_EVENTS_END = {"k8s.io/initial-events-end": "true"}


@dataclass(eq=False)
class Watch:
    """One client's watch: what it still has to be sent, and what wakes it."""

    store: Store
    asks: Asks
    presenter: Presenter
    chosen: Selection
    bookmarks: bool
    deadline: float
    initial: list[Obj] = field(default_factory=list)
    ends_initial: bool = False
    revision: int = 0
    pending: deque[Change] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    overrun: bool = False
    has_left: bool = False
    sent: int = 0

    @property
    def is_over(self) -> bool:
        """Whether there is nobody who could be sent more."""
        return self.overrun or self.has_left

    def end(self) -> None:
        """The client has gone."""
        self.has_left = True
        self.wake.set()

    def keep(self, change: Change) -> None:
        """Called by the store inside each write."""
        if len(self.pending) >= _MOST_PENDING:
            self.overrun = True
        else:
            self.pending.append(change)
        self.wake.set()

    async def initial_events(self) -> AsyncIterator[bytes]:
        """ADDED for all there is, then the bookmark that says so; piece by piece."""
        found, self.initial = self.initial, []
        for start in range(0, len(found), _AT_ONCE):
            seen = await self._seen(found[start : start + _AT_ONCE])
            yield b"".join(self._frame("ADDED", each) for each in seen if self.chosen.matches(each))
        if self.ends_initial:
            yield self.bookmark(_INITIAL_EVENTS_END)

    async def changes(self) -> AsyncIterator[bytes]:
        """The frames of all pending changes; piece by piece."""
        while self.pending and not self.is_over:
            some = [self.pending.popleft() for _ in range(min(len(self.pending), _AT_ONCE))]
            lines = []
            for change in await self._seen_changes(some):
                self.revision = change.revision
                lines += [self._frame(*event) for event in self._events(change)]
            yield b"".join(lines)

    def rest(self) -> bytes:
        """Where no change is pending and the client takes them: a bookmark of this very moment."""
        if not self.bookmarks or self.pending:
            return b""
        self.revision = self.store.revision
        return self.bookmark()

    async def _seen(self, objects: list[Obj]) -> list[Obj]:
        """*objects* in the version of the request, as far as a webhook has to do it; ApiError."""
        target = self.presenter.target
        return await conversions.told(self.asks, objects, target.kind, target.version)

    async def _seen_changes(self, changes: list[Change]) -> list[Change]:
        target = self.presenter.target
        if not conversions.is_by_webhook(target.kind):
            return changes
        mine = [each for each in changes if target.namespace in ("", namespace_of(each.object))]
        now = await self._seen([each.object for each in mine])
        before = iter(await self._seen([each.previous for each in mine if each.previous]))
        return [
            replace(each, object=obj, previous=next(before) if each.previous else None)
            for each, obj in zip(mine, now, strict=True)
        ]

    def bookmark(self, annotations: Mapping[str, str] | None = None) -> bytes:
        """A BOOKMARK: everything up to the newest revision has been sent."""
        meta: Obj = {"creationTimestamp": None, "resourceVersion": str(self.revision)}
        if annotations:
            meta["annotations"] = dict(annotations)
        return encode({"type": "BOOKMARK", "object": self.presenter.bookmark(meta)}) + b"\n"

    def _events(self, change: Change) -> Iterator[tuple[str, Obj]]:
        """None or one: an object that stops matching is DELETED, as it was; one that begins to is ADDED."""
        target = self.presenter.target
        if target.namespace and namespace_of(change.object) != target.namespace:
            return
        matches = change.type != "DELETED" and self.chosen.matches(change.object)
        matched = change.previous is not None and self.chosen.matches(change.previous)
        if matches:
            yield ("MODIFIED" if matched else "ADDED"), change.object
        elif change.previous is not None and matched:
            yield "DELETED", at_revision(change.previous, change.revision)

    def _frame(self, event: str, obj: Obj) -> bytes:
        self.sent += 1
        return encode({"type": event, "object": self.presenter.event(obj, self.sent == 1)}) + b"\n"


def error_frame(error: ApiError) -> bytes:
    """The ERROR event a watch ends with."""
    return encode({"type": "ERROR", "object": error.status()}) + b"\n"


class Watches:
    """All watches of a server; :meth:`close` ends them."""

    def __init__(self, store: Store, asks: Asks) -> None:
        self._store, self._asks = store, asks
        self._open: set[Watch] = set()
        self._closing = False

    async def stream(
        self, request: web.BaseRequest, presenter: Presenter, query: Mapping[str, str]
    ) -> web.StreamResponse:
        """Answer *request* with the changes it asks for, until its time is up or the client leaves."""
        watch = self._begin(presenter, query)
        refused = self._start(watch, query)
        stop = self._store.subscribe([presenter.target.kind.stored_as], watch.keep)
        self._open.add(watch)
        try:
            return await self._send(request, watch, refused)
        finally:
            self._open.discard(watch)
            stop()

    def close(self) -> None:
        """Let every watch end at once."""
        self._closing = True
        for watch in self._open:
            watch.wake.set()

    def _begin(self, presenter: Presenter, query: Mapping[str, str]) -> Watch:
        seconds = max(options.number(query, "timeoutSeconds") or 0, 0) or random.randint(*_TIMEOUTS)
        deadline = asyncio.get_running_loop().time() + seconds
        bookmarks = options.flag(query, "allowWatchBookmarks")
        chosen = selection(presenter.target.kind, query, presenter.target.version)
        revision = self._store.revision
        return Watch(self._store, self._asks, presenter, chosen, bookmarks, deadline, revision=revision)

    def _start(self, watch: Watch, query: Mapping[str, str]) -> ApiError | None:
        """Fill in what was there or has changed since; the refusal to stream where that is forgotten."""
        wants_initial = _wants_initial(query)
        since = revision_asked(query)
        if since and since > self._store.revision:
            raise too_new(since, self._store.revision)
        target = watch.presenter.target
        if wants_initial or (wants_initial is None and not since):
            watch.initial = self._store.objects(target.kind.stored_as, target.namespace)
            watch.ends_initial = bool(wants_initial) and watch.bookmarks
        elif since:
            return self._resume(watch, target.kind.stored_as, since)
        return None

    def _resume(self, watch: Watch, resource: str, since: int) -> ApiError | None:
        try:
            watch.pending.extend(self._store.changes(resource, since))
        except ApiError as refused:
            return refused
        return None

    async def _send(
        self, request: web.BaseRequest, watch: Watch, refused: ApiError | None
    ) -> web.StreamResponse:
        way = await frames.begin(request, watch.end)
        try:
            await self._send_on(way, watch, refused)
        finally:
            await way.close()
        return way.answer

    async def _send_on(self, way: frames.Way, watch: Watch, refused: ApiError | None) -> None:
        try:
            if refused:
                raise refused
            await _write(way, watch.initial_events())
            while not self._closing and not watch.is_over and await self._next(way, watch):
                pass
        except ApiError as error:  # of a webhook that should convert, too
            await way.write(error_frame(error))
        if watch.overrun:
            await way.write(error_frame(expired("too many changes were waiting to be sent")))

    async def _next(self, way: frames.Way, watch: Watch) -> bool:
        """Send what is pending, wait for more; False when the watch's time is up."""
        watch.wake.clear()
        await _write(way, watch.changes())
        left = watch.deadline - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(max(min(left, BOOKMARK_INTERVAL), 0)):
                await watch.wake.wait()
        except TimeoutError:
            await _write(way, watch.changes())
            if lines := watch.rest():
                await way.write(lines)
            return left > BOOKMARK_INTERVAL
        return True


def _wants_initial(query: Mapping[str, str]) -> bool | None:
    """``?sendInitialEvents=``, with the rules of its company; None where it is not given."""
    match = query.get("resourceVersionMatch", "")
    if "sendInitialEvents" not in query:
        if match:
            message = (
                "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            )
            raise _refused("resourceVersionMatch", message)
        return None
    if match != "NotOlderThan":
        message = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        raise _refused("resourceVersionMatch", message)
    return options.flag(query, "sendInitialEvents")


def _refused(name: str, message: str) -> ApiError:
    return invalid("ListOptions", "meta.k8s.io", "", [(name, "FieldValueForbidden", message)])


async def _write(way: frames.Way, pieces: AsyncIterator[bytes]) -> None:
    """Send all *pieces*; between them it is the others' turn."""
    async for lines in pieces:
        if lines:
            await way.write(lines)
        await asyncio.sleep(0)
