"""A container's log: what goes in comes out as kubectl's options ask."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import time
from pathlib import Path

import pytest

from labkit.embedded.interfaces import LogOptions
from labkit.embedded.node.logs import log_reader
from labkit.embedded.node.logs.container_log import ContainerLog
from labkit.embedded.status import ApiError

SECOND = 1_000_000_000
NOON = 1_767_268_800 * SECOND  # 2026-01-01T12:00:00Z


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The time at which chunks come, one after the other."""
    times: list[int] = []
    monkeypatch.setattr(time, "time_ns", lambda: times.pop(0) if times else NOON)
    return times


def written(directory: Path, *chunks: bytes, **limits: int) -> ContainerLog:
    log = ContainerLog(directory, **limits)
    for chunk in chunks:
        log.write(chunk)
    return log


async def read(log: ContainerLog, options: LogOptions, since: int = 0) -> bytes:
    stream = log_reader.read(log.directory, options, since=since, live=log)
    return b"".join([block async for block in stream])


async def test_bytes_come_back_as_they_were(tmp_path: Path) -> None:
    log = written(tmp_path, b"one\ntw", b"o\n\xff\n", b"open")
    assert await read(log, LogOptions()) == b"one\ntwo\n\xff\nopen"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [(0, b""), (1, b"c\n"), (2, b"b\nc\n"), (3, b"a\nb\nc\n"), (9, b"a\nb\nc\n")],
)
async def test_tail(tmp_path: Path, lines: int, expected: bytes) -> None:
    assert await read(written(tmp_path, b"a\nb\n", b"c\n"), LogOptions(tail_lines=lines)) == expected


async def test_a_log_whose_index_could_not_be_made_goes_on_when_there_is_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = ContainerLog(tmp_path)
    with monkeypatch.context() as full:
        full.setattr(os, "open", _without_index)
        log.write(b"lost\n")
    log.write(b"kept\n")
    assert (await read(log, LogOptions()), log.lost_bytes) == (b"kept\n", len(b"lost\n"))


def _without_index(path: Path, *options: int, really_open=os.open) -> int:
    if Path(path).suffix == ".idx":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return really_open(path, *options)


async def test_tail_counts_an_unfinished_line(tmp_path: Path) -> None:
    assert await read(written(tmp_path, b"a\nb\nc"), LogOptions(tail_lines=2)) == b"b\nc"


async def test_tail_reaches_into_older_segments(tmp_path: Path) -> None:
    log = written(tmp_path, b"a\nb\n", b"c\nd\n", b"e\nf\n", segment_bytes=4)
    assert await read(log, LogOptions(tail_lines=3)) == b"d\ne\nf\n"


async def test_timestamps_are_those_of_each_lines_first_byte(tmp_path: Path, clock: list[int]) -> None:
    clock += [NOON, NOON + SECOND + 5, NOON + 2 * SECOND]
    log = written(tmp_path, b"a\nb", b"b\nc\n", b"d\n")
    assert await read(log, LogOptions(timestamps=True)) == (
        b"2026-01-01T12:00:00.000000000Z a\n"
        b"2026-01-01T12:00:00.000000000Z bb\n"
        b"2026-01-01T12:00:01.000000005Z c\n"
        b"2026-01-01T12:00:02.000000000Z d\n"
    )


async def test_since_begins_with_the_first_line_begun_by_then(tmp_path: Path, clock: list[int]) -> None:
    clock += [NOON, NOON + SECOND, NOON + 2 * SECOND]
    log = written(tmp_path, b"a\nb", b"b\nc\n", b"d\n")
    assert await read(log, LogOptions(), since=NOON + 1) == b"c\nd\n"
    assert await read(log, LogOptions(), since=NOON + 3 * SECOND) == b""


def test_since_is_understood_in_both_forms() -> None:
    assert log_reader.earliest_time(LogOptions(since_time="2026-01-01T12:00:00Z")) == NOON
    before = time.time_ns()
    assert 0 <= log_reader.earliest_time(LogOptions(since_seconds=10)) - (before - 10 * SECOND) < SECOND
    with pytest.raises(ApiError, match="no RFC 3339 time"):
        log_reader.earliest_time(LogOptions(since_time="yesterday"))


async def test_limit(tmp_path: Path) -> None:
    assert await read(written(tmp_path, b"abc\n", b"def\n"), LogOptions(limit_bytes=6)) == b"abc\nde"


@pytest.mark.parametrize("timestamps", [False, True])
async def test_follow_gets_every_byte_and_ends_with_the_container(tmp_path: Path, timestamps: bool) -> None:
    log = written(tmp_path, b"a\n")
    reading = asyncio.create_task(read(log, LogOptions(follow=True, timestamps=timestamps)))
    for chunk in (b"b", b"b\nc", b"c\n"):
        await asyncio.sleep(0)
        log.write(chunk)
    await asyncio.sleep(0)
    log.close()
    got = re.sub(rb"\S+Z ", b"", await reading)
    assert got == b"a\nbb\ncc\n"


async def test_follow_with_tail_goes_on_after_a_rotation(tmp_path: Path) -> None:
    log = written(tmp_path, b"a\n", segment_bytes=4)
    reading = asyncio.create_task(read(log, LogOptions(follow=True, tail_lines=0)))
    await asyncio.sleep(0)
    for letter in b"bcdefg":
        log.write(bytes([letter]) + b"\n")
        await asyncio.sleep(0)
    log.close()
    assert await reading == b"b\nc\nd\ne\nf\ng\n"


async def test_disk_space_is_bounded_and_cut_at_lines(tmp_path: Path) -> None:
    log = written(tmp_path, *(b"%07d\n" % number for number in range(1000)), segment_bytes=80, segments=3)
    lines = (await read(log, LogOptions())).splitlines()
    assert lines == [b"%07d" % number for number in range(1000 - len(lines), 1000)]
    assert 20 < len(lines) <= 30
    assert sum(path.stat().st_size for path in tmp_path.glob("*.log")) <= 3 * 80


async def test_a_full_disk_loses_lines_not_the_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = written(tmp_path, b"a\n")
    with monkeypatch.context() as patch:

        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        patch.setattr(os, "write", full)
        log.write(b"lost\n")
    log.write(b"b\n")
    assert log.lost_bytes == 5
    assert await read(log, LogOptions()) == b"a\nb\n"


@pytest.mark.benchmark
async def test_a_busy_log_is_cheap(tmp_path: Path) -> None:
    chunk = (b"x" * 349 + b"\n") * 100
    begin = time.perf_counter()
    log = written(tmp_path, *[chunk] * 1000)
    seconds = time.perf_counter() - begin
    print(f"written: {100_000 / seconds:,.0f} lines/s")
    begin = time.perf_counter()
    size = len(await read(log, LogOptions()))
    print(f"read: {size / 350 / (time.perf_counter() - begin):,.0f} lines/s")
    begin = time.perf_counter()
    await read(log, LogOptions(timestamps=True))
    print(f"read with timestamps: {size / 350 / (time.perf_counter() - begin):,.0f} lines/s")
    assert seconds < 5
