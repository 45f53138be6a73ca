"""Events are news: after an hour they go."""

from __future__ import annotations

import asyncio

from labkit.embedded.controllers.readiness import seconds_since
from labkit.embedded.interfaces import Client
from labkit.embedded.objects import name_of, namespace_of

LIFETIME = 3600.0  # seconds, kube-apiserver's --event-ttl
EVERY = 60.0


async def expire_events(client: Client) -> None:
    """Delete events whose last news is an hour old, once a minute, until cancelled."""
    while True:
        for event in client.list("events"):
            last = event.get("lastTimestamp") or event.get("eventTime") or ""
            if seconds_since(last or event["metadata"].get("creationTimestamp", "")) > LIFETIME:
                client.delete("events", name_of(event), namespace_of(event))
        await asyncio.sleep(EVERY)
