"""The pod's own files, in a mount namespace: ``/tmp``, volumes, ``/etc/resolv.conf`` and its kin.

Root may have such a namespace at once, an account in a user namespace, where the host allows that (Docker's
default filter and Ubuntu's AppArmor profiles don't). Everything else of the host is there as it was.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

_NEW_NS, _NEW_USER = 0x00020000, 0x10000000
_READ_ONLY, _REMOUNT, _BIND, _RECURSIVE = 1, 32, 4096, 16384
_UNBINDABLE, _PRIVATE = 1 << 17, 1 << 18


@dataclass(frozen=True)
class Mount:
    """A file or folder of the host's, seen in the pod at *target*."""

    source: str
    target: str
    read_only: bool = False


def enter(mounts: Sequence[Mount], top: str) -> None:
    """Let this process, alone with its descendants, see *mounts*; OSError where the host does not allow it.

    top: an empty folder, which stays empty for everybody else.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _leave_the_host(libc)
    _mount(libc, None, "/", _PRIVATE | _RECURSIVE)
    here = os.getcwd()  # noqa: PTH109
    _Root(libc, top).build([replace(each, target=os.path.realpath(each.target)) for each in mounts])
    os.chroot(top)
    os.chdir(here)


def _leave_the_host(libc: ctypes.CDLL) -> None:
    uid, gid = os.getuid(), os.getgid()
    if uid == 0 and not libc.unshare(_NEW_NS):
        return
    _checked(libc.unshare(_NEW_NS | _NEW_USER))
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid} {uid} 1")
    _write("/proc/self/gid_map", f"{gid} {gid} 1")


class _Root:
    """A file system at *top* like the host's, with more in it."""

    def __init__(self, libc: ctypes.CDLL, top: str) -> None:
        self._libc, self._top = libc, top
        self._ours: set[int] = set()
        """Devices of the file systems in which folders can be made without making them on the host."""
        self._writable: list[str] = []

    def build(self, mounts: Sequence[Mount]) -> None:
        """Make it."""
        sources = [os.open(each.source, os.O_PATH | os.O_CLOEXEC) for each in mounts]
        self._fill("/", self._top)
        for each, source in sorted(zip(mounts, sources, strict=True), key=lambda pair: pair[0].target):
            self._bind(source, each)
        for source in sources:
            os.close(source)

    def _fill(self, folder: str, place: str) -> None:
        """Put a new file system at *place*, and all that the host has in *folder* into it."""
        old = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        names = os.listdir(folder)  # noqa: PTH208
        mode = os.stat(folder).st_mode & 0o7777  # noqa: PTH116
        _mount(self._libc, "tmpfs", place, 0, kind="tmpfs", data=f"mode={mode:o}")
        _mount(self._libc, None, place, _UNBINDABLE)  # or what holds *top* would hold all of this once more
        self._ours.add(os.stat(place).st_dev)  # noqa: PTH116
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # in /run, say, files come and go
                self._show(f"/proc/self/fd/{old}/{name}", f"{place}/{name}")
        os.close(old)

    def _show(self, source: str, place: str) -> None:
        if os.path.islink(source):  # noqa: PTH114
            os.symlink(os.readlink(source), place)  # noqa: PTH115, PTH211
            return
        _make(place, folder=os.path.isdir(source))  # noqa: PTH112
        _mount(self._libc, source, place, _BIND | _RECURSIVE)

    def _bind(self, source: int, mount: Mount) -> None:
        place = self._top + mount.target
        opened = f"/proc/self/fd/{source}"
        if not os.path.lexists(place):
            self._make_room(mount.target)
            _make(place, folder=os.path.isdir(opened))  # noqa: PTH112
        _mount(self._libc, opened, place, _BIND | _RECURSIVE)
        if not mount.read_only:
            self._writable.append(mount.target)
        else:
            _mount(self._libc, None, place, _BIND | _REMOUNT | _READ_ONLY)

    def _make_room(self, target: str) -> None:
        """Folders down to *target*, of which the host has not all."""
        folder = os.path.dirname(target)  # noqa: PTH120
        present = folder
        while not os.path.lexists(self._top + present):
            present = os.path.dirname(present)  # noqa: PTH120
        place = (self._top + present).rstrip("/")
        if os.stat(place).st_dev not in self._ours and not self._is_pods_own(present):  # noqa: PTH116
            self._fill(place, place)
        os.makedirs(self._top + folder, exist_ok=True)  # noqa: PTH103

    def _is_pods_own(self, folder: str) -> bool:
        return any(f"{folder}/".startswith(f"{each.rstrip('/')}/") for each in self._writable)


def _make(place: str, *, folder: bool) -> None:
    if folder:
        os.mkdir(place)  # noqa: PTH102
    else:
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY))


def _mount(
    libc: ctypes.CDLL, source: str | None, target: str, flags: int, *, kind: str = "", data: str = ""
) -> None:
    words = [None if each is None else each.encode() for each in (source, target, kind or None)]
    _checked(libc.mount(*words, ctypes.c_ulong(flags), data.encode() or None), target)


def _checked(result: int, what: str = "unshare") -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:  # noqa: PTH123
        file.write(text)
