"""Reading a container's log as ``kubectl logs`` asks for it: tail, since, timestamps, limit, follow."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from labkit.embedded.interfaces import LogOptions
from labkit.embedded.node.logs.container_log import ContainerLog
from labkit.embedded.status import bad_request

BLOCK = 256 * 1024


@dataclass(frozen=True)
class Position:
    """A byte of a log: which segment, how far in."""

    segment: int
    offset: int


def earliest_time(options: LogOptions) -> int:
    """The moment *options* begin at, in nanoseconds since the epoch; 0 for no bound."""
    if options.since_seconds is not None:
        return time.time_ns() - options.since_seconds * 1_000_000_000
    if options.since_time:
        try:
            moment = dt.datetime.fromisoformat(options.since_time)
        except ValueError as error:
            raise bad_request(f"sinceTime {options.since_time!r} is no RFC 3339 time") from error
        return int(moment.timestamp() * 1_000_000_000)
    return 0


async def read(
    directory: Path, options: LogOptions, *, since: int = 0, live: ContainerLog | None = None
) -> AsyncIterator[bytes]:
    """The bytes of the log in *directory*; with *live* and ``follow``, until the container ends."""
    position = start(directory, options, since)
    left = options.limit_bytes
    while True:
        growing = options.follow and live is not None and not live.closed
        blocks = _blocks(directory, position, stamp=options.timestamps, unfinished=not growing)
        for block, after in blocks:
            position = after
            yield block if left is None else block[:left]
            left = None if left is None else left - len(block)
            if left is not None and left <= 0:
                return
            await asyncio.sleep(0)  # a long log must not keep the loop from its other work
        if not growing or live is None:
            return
        await live.news()


def start(directory: Path, options: LogOptions, since: int) -> Position:
    """Where to begin reading."""
    numbers = _segments(directory)
    position = Position(numbers[0] if numbers else 0, 0)
    if since:
        position = _since(directory, numbers, since)
    if options.tail_lines is not None:
        tail = _tail(directory, numbers, options.tail_lines)
        position = max(position, tail, key=lambda at: (at.segment, at.offset))
    return position


def _segments(directory: Path) -> list[int]:
    return sorted(int(path.stem) for path in directory.glob("*.log"))


def _data(directory: Path, number: int) -> Path:
    return directory / f"{number:06}.log"


def _index(directory: Path, number: int) -> tuple[array[int], array[int]]:
    """The index of one segment: times and offsets, each ascending."""
    entries = array("Q")
    try:
        raw = (directory / f"{number:06}.idx").read_bytes()
    except FileNotFoundError:
        raw = b""
    entries.frombytes(raw[: len(raw) // 16 * 16])
    return entries[0::2], entries[1::2]


def _since(directory: Path, numbers: list[int], moment: int) -> Position:
    for number in numbers:
        times, offsets = _index(directory, number)
        at = bisect_left(times, moment)
        if at < len(times):
            return Position(number, _line_start(_data(directory, number), offsets[at]))
    return _end(directory, numbers)


def _end(directory: Path, numbers: list[int]) -> Position:
    if not numbers:
        return Position(0, 0)
    return Position(numbers[-1], _data(directory, numbers[-1]).stat().st_size)


def _line_start(path: Path, offset: int) -> int:
    """The first byte at or after *offset* that begins a line."""
    if offset == 0:
        return 0
    with path.open("rb") as file:
        file.seek(offset - 1)
        rest = file.readline()
    return offset - 1 + len(rest)


def _tail(directory: Path, numbers: list[int], lines: int) -> Position:
    if lines <= 0:
        return _end(directory, numbers)
    wanted = lines
    for number in reversed(numbers):
        data = _data(directory, number).read_bytes()
        offset, wanted = _nth_line_from_end(data, wanted)
        if wanted <= 0:
            return Position(number, offset)
    return Position(numbers[0] if numbers else 0, 0)


def _nth_line_from_end(data: bytes, lines: int) -> tuple[int, int]:
    """Where the last *lines* lines of *data* begin, and how many are still missing."""
    end = len(data) - 1 if data.endswith(b"\n") else len(data)
    if not data:
        return 0, lines
    while lines > 0:
        newline = data.rfind(b"\n", 0, end)
        lines -= 1
        if newline < 0:
            return 0, lines
        if lines == 0:
            return newline + 1, 0
        end = newline
    return 0, lines


def _blocks(
    directory: Path, position: Position, *, stamp: bool, unfinished: bool
) -> Iterator[tuple[bytes, Position]]:
    """What is there from *position* on, with the position after each block."""
    for number in _segments(directory):
        if number < position.segment:
            continue
        offset = position.offset if number == position.segment else 0
        stamped = stamp and _stamped(directory, number, offset, unfinished)
        with contextlib.suppress(FileNotFoundError):  # rotated away while we read the one before
            for block, after in stamped or _raw(_data(directory, number), offset):
                yield block, Position(number, after)


def _raw(path: Path, offset: int) -> Iterator[tuple[bytes, int]]:
    with path.open("rb") as file:
        file.seek(offset)
        while block := file.read(BLOCK):
            offset += len(block)
            yield block, offset


def _stamped(directory: Path, number: int, offset: int, unfinished: bool) -> Iterator[tuple[bytes, int]]:
    """Lines, each behind the time its first byte came; a last one without end only where *unfinished*."""
    times, offsets = _index(directory, number)
    with _data(directory, number).open("rb") as file:
        size = os.fstat(file.fileno()).st_size  # what comes after this is not in the index we have
        file.seek(offset)
        while offset < size:
            lines = file.readlines(min(BLOCK, size - offset))
            if not (unfinished or lines[-1].endswith(b"\n")):
                size = offset + sum(map(len, lines)) - len(lines.pop())
            stamped = bytearray()
            for line in lines:
                chunk = max(bisect_right(offsets, offset) - 1, 0)
                stamped += _rfc3339(times[chunk]) + b" " + line
                offset += len(line)
            if stamped:
                yield bytes(stamped), offset


def _rfc3339(nanoseconds: int) -> bytes:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09}Z".encode()
