"""A process's standard input from the daemon's side: a pipe, or the master of its terminal."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import termios

END_OF_TRANSMISSION = b"\x04"  # Ctrl-D


class Input:
    """Where one process reads from; the descriptor is closed by :meth:`close` unless it is a terminal's."""

    def __init__(self, descriptor: int, *, is_terminal: bool) -> None:
        self._descriptor, self._is_terminal = descriptor, is_terminal
        self._turn = asyncio.Lock()

    async def feed(self, data: bytes) -> None:
        """Write *data*, as fast as it is read; ``b""`` ends the input."""
        async with self._turn:
            if data or self._is_terminal:
                await self._write(memoryview(data or END_OF_TRANSMISSION))
            else:
                self.close()

    def resize(self, columns: int, rows: int) -> None:
        """Set the size of the terminal."""
        if self._is_terminal:
            with contextlib.suppress(OSError):
                size = struct.pack("HHHH", rows, columns, 0, 0)
                fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, size)

    def close(self) -> None:
        """No more will come."""
        if self._descriptor >= 0 and not self._is_terminal:
            os.close(self._descriptor)
        self._descriptor = -1

    async def _write(self, data: memoryview) -> None:
        while data and self._descriptor >= 0:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                await self._writable()
            except OSError:  # nobody reads any more
                return

    async def _writable(self) -> None:
        loop, descriptor = asyncio.get_running_loop(), self._descriptor
        ready = asyncio.Event()
        loop.add_writer(descriptor, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_writer(descriptor)
