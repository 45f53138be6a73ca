"""Keys that RequestAuthentications say only the place of: fetched by the control plane, as istiod does.

A set that was fetched is looked at again every twenty minutes; one that could not be is tried a few times at
once, and then every minute, ever more seldom. Until it is there, nobody's key stands in its place: every
token is refused.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from labkit.embedded.mesh.istiod_log import IstiodLog
from labkit.embedded.mesh.security.fetching import FetchError
from labkit.embedded.mesh.security.request_authentications import KeySource

REFRESH, RETRY, LONGEST_RETRY = 20 * 60.0, 60.0, 60 * 60.0
AT_ONCE = 7
"""How many times what can't be fetched is tried again, a second after the last time."""
GRACE = 1.0
"""Seconds that proxies wait for keys that are new, at most."""
_DISCOVERY = "/.well-known/openid-configuration"

Fetch = Callable[[str, float], Awaitable[str]]
"""Takes a URI and the seconds that it may take; raises :class:`.FetchError`."""


@dataclass
class _Set:
    """What is known of one source."""

    timeout: float
    keys: str = ""
    failures: int = 0
    tried: float = 0.0
    due: float = 0.0
    """When it is to be fetched (again); never, while it is being."""

    def fetched(self, keys: str) -> bool:
        """Whether *keys* are news."""
        news, self.keys, self.failures = keys != self.keys, keys, 0
        self.due = time.monotonic() + REFRESH
        return news

    def failed(self) -> None:
        self.failures += 1
        late = max(self.failures - AT_ONCE, 0)
        at_once = not late and not self.keys
        self.due = time.monotonic() + (1.0 if at_once else min(RETRY * 2 ** max(late - 1, 0), LONGEST_RETRY))

    @property
    def is_worth_a_try(self) -> bool:
        """Whether something has changed in the cluster since it could not be fetched: that may be why."""
        return not self.keys and self.due < math.inf and time.monotonic() - self.tried >= 1.0


class KeySets:
    """All sets that policies ask for, kept fresh."""

    def __init__(self, fetch: Fetch, log: IstiodLog, tell: Callable[[], None]) -> None:
        """*tell* is called when keys have changed that proxies have been told."""
        self._fetch, self._log, self._tell = fetch, log, tell
        self._sets: dict[KeySource, _Set] = {}
        self._running: dict[KeySource, asyncio.Task[bool]] = {}
        self._changed = asyncio.Event()

    @property
    def known(self) -> Mapping[KeySource, str]:
        return {source: each.keys for source, each in self._sets.items() if each.keys}

    async def prepare(self, wanted: Mapping[KeySource, float]) -> None:
        """Fetch what is new among *wanted* (source → seconds it may take), forget what is not among it."""
        self._sets = {each: self._sets.get(each) or _Set(wanted[each]) for each in wanted}
        tasks = [self._begin(each) for each, one in self._sets.items() if one.is_worth_a_try]
        if tasks:
            await asyncio.wait(tasks, timeout=GRACE)
        self._changed.set()

    async def run(self) -> None:
        """Keep them fresh until cancelled."""
        try:
            while True:
                due = min((each.due for each in self._sets.values()), default=math.inf)
                self._changed.clear()
                try:
                    async with asyncio.timeout(None if due == math.inf else max(due - time.monotonic(), 0.0)):
                        await self._changed.wait()
                except TimeoutError:
                    self._refresh()
        finally:
            for task in self._running.values():
                task.cancel()

    def _refresh(self) -> None:
        now = time.monotonic()
        for source in [each for each, one in self._sets.items() if one.due <= now]:
            self._begin(source)

    def _begin(self, source: KeySource) -> asyncio.Task[bool]:
        if source not in self._running:
            one = self._sets[source]
            one.tried, one.due = time.monotonic(), math.inf
            task = asyncio.create_task(self._take(source))
            self._running[source] = task
            task.add_done_callback(lambda done: self._ended(source, done))
        return self._running[source]

    def _ended(self, source: KeySource, task: asyncio.Task[bool]) -> None:
        self._running.pop(source, None)
        self._changed.set()
        if not task.cancelled() and task.result():
            self._tell()

    async def _take(self, source: KeySource) -> bool:
        """Fetch the keys of *source*; whether they are others than before."""
        one = self._sets[source]
        issuer, uri = source
        try:
            keys = await self._fetch(uri or await self._told_by(issuer, one.timeout), one.timeout)
        except FetchError as error:
            one.failed()
            self._log.error("model", f"Failed to fetch public key from {uri or issuer!r}: {error}")
            return False
        return one.fetched(keys)

    async def _told_by(self, issuer: str, patience: float) -> str:
        """The URI of the keys, by OpenID's discovery."""
        try:
            return str(json.loads(await self._fetch(issuer.rstrip("/") + _DISCOVERY, patience))["jwks_uri"])
        except (ValueError, KeyError, TypeError) as error:
            raise FetchError(f"invalid jwks_uri in openID discovery configuration: {error}") from error
