"""The outside world, as far as the learner has entered it: ``lab.outside`` fills the variable ``OUTSIDE``.

Every answer says what it is, in a header and in its text: a stand-in of the lab, never the real host.
``OUTSIDE`` is JSON, host → ``{"pages": {PATH: TEXT}, "to_https": false}``; ``TLS_CERTIFICATE`` and
``TLS_KEY`` are PEM.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from labkit.lessons.http import STOP_SECONDS, say, until_stopped

PORTS = {False: 80, True: 443}
"""Without and with TLS."""
LONGEST_DELAY = 10.0
_DELAY = re.compile(r"/delay/(\d+)")
"""A page of every host, as httpbin has it: that of ``/``, so many seconds later."""
HEADER = "x-labkit-outside"
_WORLD = web.AppKey("world", Mapping[str, Any])


def played(world: Mapping[str, Any], host: str) -> Any:
    """What was entered for *host*, or for a name with ``*.`` that it fits; None where nothing was."""
    name = host.partition(":")[0].lower()
    wider = (one for pattern, one in world.items() if pattern[:2] == "*." and name.endswith(pattern[1:]))
    return world[name] if name in world else next(wider, None)


async def _answer(request: web.Request) -> web.Response:
    host = request.host.partition(":")[0]
    say(f"{request.method} {request.scheme}://{request.host}{request.path_qs}")
    entered = played(request.app[_WORLD], host)
    told = {HEADER: f"stand-in for {host}"}
    if entered is None:
        text = f"Nobody has entered {host} into the lab's outside world: lab.outside({host!r})\n"
        return web.Response(status=421, text=text, headers=told)
    if entered.get("to_https") and not request.secure:
        return web.Response(status=301, headers={**told, "Location": f"https://{host}{request.path_qs}"})
    if found := _DELAY.fullmatch(request.path):
        await asyncio.sleep(min(float(found[1]), LONGEST_DELAY))
    return _page(entered.get("pages") or {}, request, host, told)


def _page(pages: Mapping[str, str], request: web.Request, host: str, told: dict[str, str]) -> web.Response:
    """The page of a path: one that was entered, word for word; ``/`` of every host; else 404."""
    path = request.path
    if path in pages:
        kind = "application/json" if path.endswith(".json") else "text/plain"
        return web.Response(text=pages[path], content_type=kind, headers=told)
    if path != "/" and pages and not _DELAY.fullmatch(path):
        return web.Response(status=404, text=f"{_says(host)} It has no page {path}.\n", headers=told)
    text = f"<html><head><title>{host} (stand-in)</title></head><body><p>{_says(host)}</p></body></html>\n"
    return web.Response(text=text, content_type="text/html", headers=told)


def _says(host: str) -> str:
    return f"This is a stand-in for {host}, played by the lab; it is not the real one."


def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "both.pem"
        file.touch(mode=0o600)
        file.write_text(os.environ["TLS_KEY"] + os.environ["TLS_CERTIFICATE"])
        context.load_cert_chain(file)
    return context


async def _serve(world: Mapping[str, Any]) -> None:
    app = web.Application()
    app[_WORLD] = world
    app.router.add_route("*", "/{path:.*}", _answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_SECONDS)
    await runner.setup()
    tls = _tls()
    for secure, port in PORTS.items():
        await web.TCPSite(runner, "0.0.0.0", port, ssl_context=tls if secure else None).start()
    say(f"The outside world: {', '.join(world)}")
    await until_stopped()
    await runner.cleanup()


def main(_: list[str]) -> int:
    """Serve until stopped."""
    if "OUTSIDE" not in os.environ:
        print("There is no outside world: set OUTSIDE, as lab.outside does.", file=sys.stderr)
        return 1
    asyncio.run(_serve(json.loads(os.environ["OUTSIDE"])))
    return 0
