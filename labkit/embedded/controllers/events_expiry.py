"""Events are news: after an hour they go."""

from __future__ import annotations

import asyncio
import logging

from labkit.embedded.controllers.readiness import seconds_since
from labkit.embedded.interfaces import Client
from labkit.embedded.objects import Obj, name_of, namespace_of

LIFETIME = 3600.0  # seconds, kube-apiserver's --event-ttl
EVERY = 60.0

log = logging.getLogger(__name__)


async def expire_events(client: Client) -> None:
    """Delete events whose last news is an hour old, once a minute, until cancelled."""
    while True:
        try:
            expire(client)
        except Exception as error:  # a full disk, say: old news can wait
            log.warning("old events are not deleted: %r", error)
        await asyncio.sleep(EVERY)


def expire(client: Client) -> None:
    """Delete what is old enough now, or from a future that a wrong clock told of."""
    for event in client.list("events"):
        if abs(seconds_since(_last_news(event))) > LIFETIME:
            client.delete("events", name_of(event), namespace_of(event))


def _last_news(event: Obj) -> str:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return str(next(filter(None, times), event["metadata"].get("creationTimestamp", "")))
