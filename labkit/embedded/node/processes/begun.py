"""How the node learns that a supervised program is there: a descriptor that the kernel closes when it is."""

from __future__ import annotations

import asyncio
import os


class Begun:
    """One beginning; :attr:`done` once the program has taken the place of what starts it, or has ended."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader, self.writer = os.pipe2(os.O_CLOEXEC)
        self.done: asyncio.Future[None] = self._loop.create_future()

    def watch(self) -> None:
        """Wait for it, now that the other end has been handed on, or nobody has taken it."""
        os.close(self.writer)
        self._loop.add_reader(self._reader, self._end)

    def _end(self) -> None:
        self._loop.remove_reader(self._reader)
        os.close(self._reader)
        if not self.done.done():
            self.done.set_result(None)
