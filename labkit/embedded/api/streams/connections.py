"""Connections to the ports of a pod, as a port-forward makes them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

_CHUNK = 64 * 1024
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[int], Awaitable[Connection]]
"""Connects to a port of the pod; ForwardError where nothing listens."""


class ForwardError(Exception):
    """A port that can't be reached, in the kubelet's words."""


async def copy(reader: asyncio.StreamReader, send: Callable[[bytes], Awaitable[None]]) -> None:
    """Pass on what the pod says, to its end."""
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            await send(chunk)
