"""A container's log on disk: its bytes as they came, beside them an index of when.

The node appends each chunk it reads as it is and notes (time, offset) for it, 16 bytes. So a busy
proxy costs no work per line, and ``--since`` and ``--timestamps`` still know when each line began.
A log is a row of segments, ``SEGMENT.log`` and ``SEGMENT.idx``, of which the oldest goes when there
are too many: the bound on disk space is Kubernetes' own default, five files of 10 MiB.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import time
from pathlib import Path

SEGMENT_BYTES = 10 * 1024 * 1024
SEGMENTS = 5
INDEX_ENTRY = struct.Struct("=QQ")  # nanoseconds since the epoch, offset of the chunk's first byte


class ContainerLog:
    """The log of one run of one container, in *directory*; also tells followers of news."""

    def __init__(
        self, directory: Path, *, segment_bytes: int = SEGMENT_BYTES, segments: int = SEGMENTS
    ) -> None:
        self.directory = directory
        self.lost_bytes = 0
        """What could not be written, for want of space on the disk."""
        self._segment_bytes, self._segments = segment_bytes, segments
        self._number = -1
        self._data = self._index = -1
        self._offset = 0
        self._at_line_start = True
        self._closed = False
        self._news = asyncio.Event()
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def closed(self) -> bool:
        """Whether the container has ended."""
        return self._closed

    def write(self, chunk: bytes) -> None:
        """Append *chunk*; a full disk loses it, never the container."""
        try:
            self._rotate_for(len(chunk))
            os.write(self._index, INDEX_ENTRY.pack(time.time_ns(), self._offset))
            written = os.write(self._data, chunk)
        except OSError:
            written = 0
        self.lost_bytes += len(chunk) - written
        self._offset += written
        self._at_line_start = chunk.endswith(b"\n")
        self._tell()

    def write_line(self, line: str) -> None:
        """Append one line of text."""
        self.write(line.encode() + b"\n")

    def close(self) -> None:
        """No more will come."""
        self._closed = True
        self._close_segment()
        self._tell()

    async def news(self) -> None:
        """Return at the next write, or at the end."""
        if not self._closed:
            await self._news.wait()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _rotate_for(self, size: int) -> None:
        full = self._at_line_start and self._offset + size > self._segment_bytes and self._offset
        # A line as long as a whole segment is cut rather than let the log grow without bound.
        if min(self._data, self._index) < 0 or full or self._offset > 2 * self._segment_bytes:
            self._open_segment(self._number + 1)
            self._remove_segment(self._number - self._segments)

    def _open_segment(self, number: int) -> None:
        self._close_segment()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        base = self.directory / f"{number:06}"
        self._data = os.open(base.with_suffix(".log"), flags, 0o600)
        self._index = os.open(base.with_suffix(".idx"), flags, 0o600)
        self._number, self._offset = number, 0

    def _close_segment(self) -> None:
        for descriptor in (self._data, self._index):
            if descriptor >= 0:
                os.close(descriptor)
        self._data = self._index = -1

    def _remove_segment(self, number: int) -> None:
        for suffix in (".log", ".idx"):
            with contextlib.suppress(OSError):
                (self.directory / f"{number:06}{suffix}").unlink()
