"""The pod's own files where the host allows no mount namespace: paths below ``/tmp`` and volumes, translated.

The kernel asks about calls that name a file; one that names the pod's is done here, on the pod's folder, and
its result handed over. Nobody can do two things for another process: change its folder and start a program.
So ``cd`` into a folder below ``/tmp`` and programs below it fail there; ``cd /tmp`` itself works.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit.embedded.node.inside import tracee
from labkit.embedded.node.inside.files import Mount
from labkit.embedded.node.inside.seccomp import Call, Listener

_AT_FDCWD = -100
_LONGEST_PATH = 4096
_STAT, _STATX, _TIMES = 144, 256, 32  # bytes


@dataclass(frozen=True)
class _Shape:
    """Which arguments of a call are what."""

    paths: tuple[tuple[int | None, int], ...]
    """For each path: the descriptor that it is relative to, if any, and itself."""
    out: tuple[int, int] | None = None
    """What is written: where, and how many bytes."""
    out_length: int | None = None
    """Or which argument says how many; as many as the call returns are used."""
    given: tuple[int, int] | None = None
    """What is read: where, and how many bytes; it may be missing."""
    opens: int | None = None
    """Which argument has the flags of what is opened; -1: there are none."""
    refused: int = 0
    """The errno, where it is not done."""


_ALONE, _AT = ((None, 0),), ((0, 1),)
SHAPES: Mapping[str, _Shape] = {
    "open": _Shape(_ALONE, opens=1),
    "creat": _Shape(_ALONE, opens=-1),
    "openat": _Shape(_AT, opens=2),
    "stat": _Shape(_ALONE, out=(1, _STAT)),
    "lstat": _Shape(_ALONE, out=(1, _STAT)),
    "newfstatat": _Shape(_AT, out=(2, _STAT)),
    "statx": _Shape(_AT, out=(4, _STATX)),
    "readlink": _Shape(_ALONE, out=(1, 0), out_length=2),
    "readlinkat": _Shape(_AT, out=(2, 0), out_length=3),
    "utimensat": _Shape(_AT, given=(2, _TIMES)),
    "rename": _Shape(((None, 0), (None, 1))),
    "renameat": _Shape(((0, 1), (2, 3))),
    "renameat2": _Shape(((0, 1), (2, 3))),
    **{name: _Shape(_ALONE) for name in ("access", "unlink", "mkdir", "rmdir", "chmod", "chown", "truncate")},
    **{
        name: _Shape(_ALONE, refused=errno.EOPNOTSUPP)
        for name in ("setxattr", "lsetxattr", "getxattr", "lgetxattr", "listxattr", "llistxattr")
    },
    **{
        name: _Shape(_AT)
        for name in ("faccessat", "faccessat2", "unlinkat", "mkdirat", "fchmodat", "fchmodat2", "fchownat")
    },
}
"""Every call that is asked about; the creating of links is not among them."""


class Paths:
    """Answers the calls of one program that name files."""

    def __init__(self, mounts: Sequence[Mount], listener: Listener) -> None:
        self._mounts, self._listener = mounts, listener
        self._libc = ctypes.CDLL(None, use_errno=True)

    def handle(self, call: Call) -> None:
        """Answer *call*, which is one of :data:`SHAPES`."""
        shape = SHAPES[call.name]
        found = [self._path(call, *where) for where in shape.paths]
        if all(each is None or each[1] is None for each in found):
            self._listener.proceed(call)
            return
        if shape.refused:
            self._listener.answer(call, error=shape.refused)
            return
        paths = [(each[1] or each[0]) if each else "" for each in found]
        # What is opened may be a pipe that nobody has at its other end yet.
        threading.Thread(target=self._do, args=(call, shape, paths), daemon=True).start()

    def _path(self, call: Call, relative_to: int | None, index: int) -> tuple[str, str | None] | None:
        """A path of *call*'s as the program means it, and where it is instead, if it is; None without one."""
        if not call.arguments[index]:
            return None
        raw = tracee.read(call.thread, call.arguments[index], _LONGEST_PATH).split(b"\0", 1)[0]
        if not raw:
            return None
        path = os.fsdecode(raw)
        if not path.startswith("/"):
            at = _AT_FDCWD if relative_to is None else ctypes.c_int(call.arguments[relative_to]).value
            path = f"{_folder(call.thread, at)}/{path}"
        return path, on_host(os.path.normpath(path), self._mounts)

    def _do(self, call: Call, shape: _Shape, paths: Sequence[str]) -> None:
        with contextlib.suppress(OSError):  # it was killed meanwhile
            arguments: list[object] = [ctypes.c_ulong(each) for each in call.arguments]
            for (at, index), path in zip(shape.paths, paths, strict=True):
                arguments[index] = ctypes.c_char_p(os.fsencode(path))
                if at is not None:
                    arguments[at] = ctypes.c_long(_AT_FDCWD)
            buffer = self._buffer(call, shape, arguments)
            result = self._libc.syscall(ctypes.c_long(call.number), *arguments)
            if result < 0:
                self._listener.answer(call, error=ctypes.get_errno() or errno.EIO)
            elif shape.opens is not None:
                self._hand_over(call, result, call.arguments[shape.opens] if shape.opens >= 0 else 0)
            else:
                if buffer is not None and shape.out:
                    size = result if shape.out_length is not None else len(buffer)
                    tracee.write(call.thread, call.arguments[shape.out[0]], buffer.raw[:size])
                self._listener.answer(call, result)

    def _buffer(
        self, call: Call, shape: _Shape, arguments: list[object]
    ) -> ctypes.Array[ctypes.c_char] | None:
        """Memory of ours in place of the program's."""
        if shape.given and call.arguments[shape.given[0]]:
            index, size = shape.given
            given = ctypes.create_string_buffer(tracee.read(call.thread, call.arguments[index], size), size)
            arguments[index] = given
        if shape.out is None:
            return None
        index, size = shape.out
        if shape.out_length is not None:
            size = min(call.arguments[shape.out_length], _LONGEST_PATH)
            arguments[shape.out_length] = ctypes.c_ulong(size)
        buffer = ctypes.create_string_buffer(size)
        arguments[index] = buffer
        return buffer

    def _hand_over(self, call: Call, descriptor: int, flags: int) -> None:
        try:
            given = self._listener.give(call, descriptor, keep_on_exec=not flags & os.O_CLOEXEC)
            self._listener.answer(call, given)
        finally:
            os.close(descriptor)


def on_host(path: str, mounts: Sequence[Mount]) -> str | None:
    """Where the host has what *mounts* show at *path*; None where that is *path* itself."""
    over = [each for each in mounts if f"{path}/".startswith(f"{each.target}/")]
    if not over:
        return None
    nearest = max(over, key=lambda each: len(each.target))
    found = nearest.source + path[len(nearest.target) :]
    return None if found == path else found


def _folder(thread: int, descriptor: int) -> str:
    place = "cwd" if descriptor == _AT_FDCWD else f"fd/{descriptor}"
    return os.readlink(f"/proc/{thread}/{place}")  # noqa: PTH115
