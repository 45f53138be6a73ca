"""What the lessons' HTTP servers share: how they listen, end and log."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import ssl
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from aiohttp import web

STOP_SECONDS = 2.0  # requests under way may finish that long after SIGTERM


@dataclass(frozen=True)
class Listener:
    """One port, with TLS or without."""

    port: int
    host: str = "0.0.0.0"  # every interface, as a server in a container does
    tls: ssl.SSLContext | None = None


def say(line: str) -> None:
    """One line to standard output, at once."""
    print(line, flush=True)


def serve(app: web.Application, *listeners: Listener, ready: Callable[[], object] = lambda: None) -> int:
    """Serve *app* until SIGTERM or SIGINT; *ready* is called when it listens. The exit status."""
    try:
        asyncio.run(_serve(app, listeners, ready))
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        print(f"bind: {error.strerror}", file=sys.stderr)
        return 1
    return 0


async def _serve(app: web.Application, listeners: Iterable[Listener], ready: Callable[[], object]) -> None:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_SECONDS)
    await runner.setup()
    try:
        for each in listeners:
            await web.TCPSite(runner, each.host, each.port, ssl_context=each.tls).start()
        ready()
        await until_stopped()
    finally:
        await runner.cleanup()


async def until_stopped() -> None:
    """Wait for SIGTERM or SIGINT."""
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stopped.set)
    await stopped.wait()


def client_address(request: web.Request) -> str:
    """Who is connected, without the port."""
    peer = request.transport.get_extra_info("peername") if request.transport else None
    return str(peer[0]).removeprefix("::ffff:") if peer else ""


def chosen(headers: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Those of *headers* that a service hands on, by *names* in small letters."""
    return {name: headers[name] for name in names if name in headers}
