"""How the bookshop's services call each other: where, with which headers, for how long."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from aiohttp import web

TRACING = (
    *("x-request-id", "x-ot-span-context", "traceparent", "tracestate", "x-cloud-trace-context"),
    *("x-datadog-trace-id", "x-datadog-parent-id", "x-datadog-sampling-priority", "grpc-trace-bin", "sw8"),
    *("x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags"),
)
"""Without these the proxies could not tell that one request led to another."""

HANDED_ON = (*TRACING, "end-user", "user-agent", "cookie", "authorization", "jwt")

SESSION = web.AppKey("session", aiohttp.ClientSession)


def place(service: str) -> str:
    """The URL of *service*; ``RATINGS_HOSTNAME``, ``SERVICES_DOMAIN`` and the like move it."""
    name = service.upper()
    host = os.environ.get(f"{name}_HOSTNAME", service)
    domain = os.environ.get("SERVICES_DOMAIN")
    port = os.environ.get(f"{name}_SERVICE_PORT", "9080")
    return f"http://{host}{'.' + domain if domain else ''}:{port}"


async def session(app: web.Application) -> AsyncIterator[None]:
    """The client of *app*: a connection for each call, names looked up each time."""
    connector = aiohttp.TCPConnector(force_close=True, use_dns_cache=False, limit=0)
    async with aiohttp.ClientSession(connector=connector) as app[SESSION]:
        yield


async def get(app: web.Application, url: str, headers: dict[str, str], seconds: float) -> tuple[int, Any]:
    """The status and the JSON of *url*; status 0 where no answer came within *seconds*."""
    timeout = aiohttp.ClientTimeout(total=seconds)
    try:
        async with app[SESSION].get(url, headers=headers, timeout=timeout) as response:
            return response.status, await response.json(content_type=None)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return 0, None
