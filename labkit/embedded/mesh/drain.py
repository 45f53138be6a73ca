"""Let an Envoy finish what it does before it is stopped.

Envoy itself exits at once on SIGTERM, and with it every request in flight. So before anything of a
pod is signalled, its proxy is told to drain (clients are asked to close their connections, new
requests are still answered) and we wait for the fact that nobody uses it any more: no request
running, and none begun for a moment. That moment also covers callers that have not heard yet that
the endpoint is gone. Real Istio sleeps 5 s here (``terminationDrainDuration``); that is our limit.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import aiohttp

DRAIN_LIMIT = 5.0
"""Seconds after which a proxy is given up that its clients won't leave."""
QUIET = 0.15
"""Seconds without a new request after which a proxy counts as left."""
LOOK = 0.05

_COUNTERS = r"^(http|tcp)\..*\.downstream_(rq|cx)_(active|total)$"
_log = logging.getLogger(__name__)


async def drain(admin: Path, limit: float = DRAIN_LIMIT, quiet: float = QUIET) -> None:
    """Drain the Envoy whose admin interface is at *admin*; returns when it is idle or gone, or at *limit*."""
    connector = aiohttp.UnixConnector(str(admin))
    try:
        async with (
            asyncio.timeout(limit),
            aiohttp.ClientSession("http://admin", connector=connector) as session,
        ):
            await _post(session, "/healthcheck/fail")
            await _post(session, "/drain_listeners?graceful&skip_exit")
            await _until_left(session, quiet)
    except TimeoutError:
        _log.info("%s: still in use after %s s of draining", admin, limit)
    except (aiohttp.ClientError, OSError):
        return  # it is gone: nothing left to wait for


async def _post(session: aiohttp.ClientSession, path: str) -> None:
    async with session.post(path, raise_for_status=True):
        pass


async def _until_left(session: aiohttp.ClientSession, quiet: float) -> None:
    loop = asyncio.get_running_loop()
    since, seen = loop.time(), -1
    while True:
        active, total = await _requests(session)
        if active or total != seen:
            since, seen = loop.time(), total
        elif loop.time() - since >= quiet:
            return
        await asyncio.sleep(LOOK)


async def _requests(session: aiohttp.ClientSession) -> tuple[int, int]:
    """Requests (for TCP: connections) that run now, and that ever began."""
    async with session.get("/stats", params={"format": "json", "filter": _COUNTERS}) as answer:
        stats = (await answer.json(content_type=None))["stats"]
    values = {each["name"]: each["value"] for each in stats if "value" in each and _is_traffic(each["name"])}
    active = sum(value for name, value in values.items() if name.endswith("_active"))
    return active, sum(value for name, value in values.items() if name.endswith("_total"))


def _is_traffic(name: str) -> bool:
    """Whether the statistic counts learners' traffic: HTTP by request, TCP by connection."""
    protocol, prefix, *_ = name.split(".")
    unit = "downstream_rq_" if protocol == "http" else "downstream_cx_"
    return unit in name and prefix not in ("admin", "agent", "prometheus_stats")
