"""The import of the parts, which is most of what a start costs, without the work nobody needs.

Everything a module makes as it is imported stays, so the collector would walk it again and again for
nothing. And aiohttp reads the system's authorities for its clients as it is imported; the daemon's
clients talk to its own children, without TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import os
from collections.abc import Iterator, Sequence

AUTHORITIES = "SSL_CERT_FILE"
"""Where OpenSSL looks for the authorities it trusts by default."""


def parts() -> None:
    """Import what a cluster is made of, less the mesh; then the collector leaves it alone for good."""
    gc.disable()
    with _authorities_at(os.devnull):
        importlib.import_module("labkit.embedded.cluster.wiring")
    gc.freeze()
    gc.enable()


async def in_pieces(names: Sequence[str]) -> None:
    """Import *names* one after the other, and let the event loop go on in between."""
    gc.disable()
    try:
        for each in names:
            importlib.import_module(each)
            await asyncio.sleep(0)
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def _authorities_at(path: str) -> Iterator[None]:
    before = os.environ.get(AUTHORITIES)
    os.environ[AUTHORITIES] = path
    try:
        yield
    finally:
        os.environ.pop(AUTHORITIES)
        if before is not None:
            os.environ[AUTHORITIES] = before
