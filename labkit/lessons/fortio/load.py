"""``fortio load``: so many calls, on so many connections, so often; then what became of them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter as Tally
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from labkit.lessons.fortio.client import NO_ANSWER, Connection, Result
from labkit.lessons.fortio.histogram import Counter, Histogram, number
from labkit.lessons.fortio.options import LEVELS, Options

INFO, WARNING = 2, 3


@dataclass
class Run:
    """The calls of all connections."""

    options: Options
    times: Histogram = field(default_factory=Histogram)
    codes: Tally[int] = field(default_factory=Tally)
    heads: Counter = field(default_factory=Counter)
    sizes: Counter = field(default_factory=Counter)
    sockets: list[int] = field(default_factory=list)

    def add(self, result: Result, seconds: float) -> None:
        """Count one call."""
        self.times.values.append(seconds)
        self.codes[result.code] += 1
        self.heads.values.append(len(result.head) if result.code == 200 else 0)
        self.sizes.values.append(result.size)
        if result.code != 200:
            self._warn(result)

    def _warn(self, result: Result) -> None:
        if result.code == NO_ANSWER:
            log(self.options, 4, f"http_client.go> Unable to connect to {self.options.url} : {result.why}")
        else:
            status = result.head.split(b"\r\n", 1)[0].split(b" ", 2)[:2]
            log(
                self.options,
                WARNING,
                f"http_client.go> [{len(self.times.values) % self.options.connections}] Non ok http code "
                f"{result.code} ({b' '.join(status).decode('latin-1')})",
            )


def log(options: Options, level: int, words: str) -> None:
    """A line of fortio's log, where its level is heard."""
    if level >= options.level:
        now = time.strftime("%H:%M:%S", time.gmtime())
        print(f"{now} {LEVELS[level][0]} {words}", file=sys.stderr, flush=True)


async def load(options: Options) -> int:
    """Run it and print all lines; 1 where the first call got no answer, as fortio gives up then."""
    if options.level > INFO:
        now, name = time.strftime("%H:%M:%S", time.gmtime()), LEVELS[options.level]
        words = f"Log level is now {options.level} {name} (was 2 Info)"
        print(f"{now} I logger.go> {words}", file=sys.stderr, flush=True)
    _begin(options)
    run = Run(options, times=Histogram(resolution=options.resolution))
    connections = [Connection(options) for _ in range(options.connections)]
    if not await _first_call_is_answered(connections[0], options):
        return 1
    begin = time.monotonic()
    await asyncio.gather(
        *(_calls(run, each, share) for each, share in zip(connections, _shares(options), strict=True))
    )
    _report(run, time.monotonic() - begin)
    return 0


async def _first_call_is_answered(connection: Connection, options: Options) -> bool:
    """fortio tries the name and the port before it begins."""
    host = urlsplit(options.url).hostname or ""
    if options.allow_errors:
        return True
    try:
        await asyncio.get_running_loop().getaddrinfo(host, 80)
    except OSError:
        log(options, 4, f"Aborting because of DNS lookup of {host}: no such host")
        return False
    return connection is not None


def _shares(options: Options) -> list[int]:
    """How many calls each connection makes; the first takes what is left over."""
    each, rest = divmod(options.calls, options.connections)
    return [each + (rest if place == 0 else 0) for place in range(options.connections)]


async def _calls(run: Run, connection: Connection, share: int) -> None:
    options = run.options
    pause = options.connections / options.qps if options.qps else 0.0
    begin, made = time.monotonic(), 0
    while made < share if options.calls else time.monotonic() - begin < options.seconds:
        at = time.monotonic()
        run.add(await connection.call(), time.monotonic() - at)
        made += 1
        left = begin + made * pause - time.monotonic()
        if left > 0 and (not options.calls or made < share):
            await asyncio.sleep(left)
    run.sockets.append(connection.sockets)
    await connection.close()


def _begin(options: Options) -> None:
    speed, processes = number(options.qps) if options.qps else "0", os.cpu_count() or 1
    amount = f"{options.calls} calls" if options.calls else f"{_seconds(options.seconds)}"
    procs = f"{processes}->{processes} procs"
    print(f"Fortio 1.69.5 running at {speed} queries per second, {procs}, for {amount}: {options.url}")
    how = f"at {speed} qps with" if options.qps else "at max qps with"
    each, rest = divmod(options.calls, options.connections)
    told = (
        f"for exactly {options.calls} calls ({each} per thread + {rest})"
        if options.calls
        else f"for {_seconds(options.seconds)}"
    )
    print(f"Starting {how} {options.connections} thread(s) [gomax {processes}] {told}", flush=True)


def _seconds(value: float) -> str:
    return f"{number(value)}s" if value >= 1 else f"{number(value * 1000)}ms"


def _report(run: Run, elapsed: float) -> None:
    count, options = len(run.times.values), run.options
    print(f"Ended after {_seconds(elapsed)} : {count} calls. qps={count / elapsed:.5g}")
    for line in run.times.lines("Aggregated Function Time", options.percentiles):
        print(line)
    print(f"Sockets used: {sum(run.sockets)} (for perfect keepalive, would be {options.connections})")
    for code, times in sorted(run.codes.items()):
        print(f"Code {code:3d} : {times} ({100 * times / count:.1f} %)")
    print(run.heads.line("Response Header Sizes"))
    print(run.sizes.line("Response Body/Total Sizes"))
    average = 1000 * sum(run.times.values) / count if count else 0.0
    print(
        f"All done {count} calls (plus 0 warmup) {average:.3f} ms avg, {count / elapsed:.1f} qps", flush=True
    )
    if options.json:
        _write_json(run, elapsed)


def _write_json(run: Run, elapsed: float) -> None:
    told = {
        "RequestedQPS": str(run.options.qps or "max"),
        "ActualQPS": len(run.times.values) / elapsed,
        "NumThreads": run.options.connections,
        "URL": run.options.url,
        "RetCodes": {str(code): times for code, times in sorted(run.codes.items())},
    }
    text = json.dumps(told, indent=2)
    if run.options.json == "-":
        print(text)
    else:
        with open(run.options.json, "w", encoding="utf-8") as file:  # noqa: PTH123 - a path of the pod's
            file.write(text)
