"""``pause``: does nothing until it is stopped."""

from __future__ import annotations

import asyncio

from labkit.lessons.http import until_stopped


def main(_: list[str]) -> int:
    """Wait for SIGTERM or SIGINT."""
    asyncio.run(until_stopped())
    return 0
