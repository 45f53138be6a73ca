"""Events are forgotten an hour after they last happened, as a real API server does with them."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt

from labkit.embedded.api.deletion import DeleteOptions
from labkit.embedded.api.verbs import Verbs
from labkit.embedded.objects import Obj, name_of, namespace_of
from labkit.embedded.status import ApiError

EVENT_LIFETIME = dt.timedelta(hours=1)
_ROUND = 300.0  # seconds


async def expire_events(verbs: Verbs) -> None:
    """Drop old events every few minutes, until cancelled."""
    while True:
        drop_old_events(verbs, dt.datetime.now(dt.UTC))
        await asyncio.sleep(_ROUND)


def drop_old_events(verbs: Verbs, now: dt.datetime) -> None:
    """Drop every event whose hour has passed at *now*."""
    for event in verbs.objects("events"):
        if now - last_seen(event, now) > EVENT_LIFETIME:
            with contextlib.suppress(ApiError):  # a full disk: tried again next round
                verbs.delete("events", name_of(event), namespace_of(event), DeleteOptions())


def last_seen(event: Obj, default: dt.datetime) -> dt.datetime:
    """When *event* was written last, or happened last by its own account."""
    series = event.get("series") or {}
    times = [
        event["metadata"].get("creationTimestamp"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        series.get("lastObservedTime"),
    ]
    moments = [dt.datetime.fromisoformat(each) for each in times if each]
    return max(moments, default=default)
