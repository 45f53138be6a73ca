"""Holds the end of a young connection back until what was sent on it has been read.

Envoy gives up a connection whose end it sees while its listener filters still wait for the first bytes (the
PROXY header; where the protocol is to be detected, what follows), on the way out of a pod and on the way in,
and what was sent is lost. A copy of the descriptor that is held here keeps the end back, however the program
ends: by closing, by dying. A half that is closed (``echo hello | nc …``) waits for the first word of the
other side, which has read then; for a while, as there may be none before the end.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from dataclasses import dataclass

from labkit.embedded.node.inside import tracee
from labkit.embedded.node.shim import labkit_sidecar

SETTLED_AFTER = 0.5
"""Seconds until Envoy has read what was sent, if it ever does."""
YOUNG, WORD = 1.0, 0.4
"""Seconds: how old a connection is whose end has to wait, and how long for the other side's first word."""
QUICK, SLOW, QUICK_SECONDS = 0.002, 0.05, 1.0


@dataclass
class _Kept:
    copy: socket.socket
    thread: int
    descriptor: int
    inode: str
    since: float
    closed_at: float = 0.0


class Keeper:
    """Looks after all of one supervisor's."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def keep(self, line: socket.socket, thread: int, descriptor: int) -> None:
        """Hold a copy of *line*, which is *descriptor* of the program's *thread*."""
        inode = f"socket:[{os.fstat(line.fileno()).st_ino}]"
        kept = _Kept(line.dup(), thread, descriptor, inode, time.monotonic())
        with self._changed:
            self._kept[inode] = kept
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def settle(self, inode: str) -> None:
        """Wait until what was sent on *inode* is read, or can't be expected to be any more."""
        kept = self._kept.get(inode)
        deadline = time.monotonic() + SETTLED_AFTER
        while kept and labkit_sidecar.has_unread(kept.copy) and time.monotonic() < deadline:
            time.sleep(0.0005)  # nothing tells us when it is read
        if kept and time.monotonic() - kept.since < YOUNG:
            word = select.poll()
            word.register(kept.copy, select.POLLIN)
            word.poll(WORD * 1000)

    def finish(self) -> None:
        """Wait for the last ones: nobody of the program lives any more."""
        deadline = time.monotonic() + SETTLED_AFTER
        with self._changed:
            while self._kept and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)

    def _look(self) -> None:
        while True:
            with self._changed:
                while not self._kept:
                    self._changed.wait()
            now = time.monotonic()
            newest = max(each.since for each in list(self._kept.values()))
            for each in list(self._kept.values()):
                if self._is_over(each, now):
                    self._let_go(each)
            time.sleep(QUICK if now - newest < QUICK_SECONDS else SLOW)

    def _is_over(self, kept: _Kept, now: float) -> bool:
        if not kept.closed_at:
            if _still_has(kept):
                return False
            kept.closed_at = now
        waited, young = now - kept.closed_at, kept.closed_at - kept.since < YOUNG
        if waited > SETTLED_AFTER:
            return True
        return not labkit_sidecar.has_unread(kept.copy) and (waited > WORD or not young)

    def _let_go(self, kept: _Kept) -> None:
        with self._changed:
            self._kept.pop(kept.inode, None)
            self._changed.notify_all()
        kept.copy.close()


def _still_has(kept: _Kept) -> bool:
    try:
        return tracee.inode(kept.thread, kept.descriptor) == kept.inode
    except OSError:
        return False
