"""The loop under every controller: a watch fills a queue of keys, each key is reconciled until it holds.

All controllers share one watch and one queue. Everything runs on the cluster's single loop and the
client is atomic, so a reconcile sees a consistent world and needs no expectations, no locks and no
caches: it lists what it needs, in memory, when it needs it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Protocol

from labkit.embedded.interfaces import EVERYTHING, Client, NotYet, WatchEvent
from labkit.embedded.status import ApiError

FIRST_RETRY, LAST_RETRY = 0.05, 30.0  # seconds
BATCH = 32  # reconciles before the loop gets its turn

log = logging.getLogger(__name__)

Key = tuple[str, str]
"""(namespace, name)"""


class Controller(Protocol):
    """One subject: which changes concern it, and how one object is brought to what it should be."""

    @property
    def resources(self) -> tuple[str, ...]:
        """What it watches."""

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """What has to be looked at because of *event*."""

    def reconcile(self, key: Key) -> float | None:
        """Bring one object to what it should be; a number asks for another look in so many seconds."""


class Loop:
    """Runs controllers until cancelled."""

    def __init__(self, client: Client, controllers: Sequence[Controller]) -> None:
        self._client, self._controllers = client, controllers
        self._queue: dict[tuple[Controller, Key], None] = {}
        self._failures: dict[tuple[Controller, Key], int] = {}
        self._timers: dict[tuple[Controller, Key], asyncio.TimerHandle] = {}
        self._work, self._synced = asyncio.Event(), asyncio.Event()

    async def run(self) -> None:
        """Watch and reconcile until cancelled; raises what the watch died of."""
        try:
            async with asyncio.TaskGroup() as parts:
                parts.create_task(self._watch())
                parts.create_task(self._work_off())
        finally:
            self.stop_timers()

    def stop_timers(self) -> None:
        """Forget who asked for another look."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def see(self, event: WatchEvent) -> None:
        """Queue what *event* concerns."""
        for controller in self._controllers:
            if event.resource not in controller.resources and EVERYTHING not in controller.resources:
                continue
            try:
                for key in controller.keys(event):
                    self._add(controller, key)
            except Exception:  # one odd object must not stop the controllers of all others
                log.exception("%s can't read %s %s", type(controller).__name__, event.type, event.resource)

    def drain(self, most: int) -> None:
        """Reconcile what is queued, *most* keys at the most."""
        for _ in range(most):
            if not self._queue:
                self._work.clear()
                return
            controller, key = next(iter(self._queue))
            del self._queue[controller, key]
            self._reconcile(controller, key)

    @property
    def idle(self) -> bool:
        """Whether nothing is queued."""
        return not self._queue

    async def _watch(self) -> None:
        resources = {resource for controller in self._controllers for resource in controller.resources}
        if EVERYTHING in resources:
            resources = {EVERYTHING}
        async for event in self._client.watch(*sorted(resources)):
            if event.type == "SYNCED":
                self._synced.set()
            else:
                self.see(event)

    async def _work_off(self) -> None:
        await self._synced.wait()  # who decides on half of the objects would collect the other half's
        while True:
            await self._work.wait()
            self.drain(BATCH)
            await asyncio.sleep(0)  # the rest of the cluster's turn

    def _add(self, controller: Controller, key: Key) -> None:
        self._queue[controller, key] = None
        self._work.set()

    def _reconcile(self, controller: Controller, key: Key) -> None:
        item = (controller, key)
        try:
            again = controller.reconcile(key)
        except NotYet as waiting:
            waiting.answered.add_done_callback(lambda _: self._add(controller, key))
            return
        except Exception as error:
            if _is_over(error):
                return
            self._failures[item] = self._failures.get(item, 0) + 1
            again = min(FIRST_RETRY * 2 ** min(self._failures[item] - 1, 16), LAST_RETRY)
            self._tell(item, error, again)
        else:
            self._failures.pop(item, None)
        if again is not None:
            self._later(item, again)

    def _tell(self, item: tuple[Controller, Key], error: Exception, again: float) -> None:
        controller, key = item
        level = logging.DEBUG if isinstance(error, ApiError) and error.code == 409 else logging.WARNING
        fault = not isinstance(error, ApiError) and self._failures[item] == 1  # of ours: where was it?
        message = "%s of %s/%s: %r; again in %.1f s"
        log.log(level, message, type(controller).__name__, *key, error, again, exc_info=fault)

    def _later(self, item: tuple[Controller, Key], seconds: float) -> None:
        if item in self._timers:
            self._timers[item].cancel()
        self._timers[item] = asyncio.get_running_loop().call_later(seconds, self._due, item)

    def _due(self, item: tuple[Controller, Key]) -> None:
        self._timers.pop(item, None)
        self._add(*item)


def _is_over(error: Exception) -> bool:
    """Whether it was refused since its namespace ends, which trying again does not change."""
    causes = error.details.get("causes", []) if isinstance(error, ApiError) else []
    return any(each.get("reason") == "NamespaceTerminating" for each in causes)
