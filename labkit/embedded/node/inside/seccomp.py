"""The kernel's door for this: a seccomp filter whose calls a supervisor answers (``seccomp_unotify(2)``).

Needs Linux 5.9 and nothing else: no privilege, no namespace. Docker's own filter allows it; gVisor has it
not. The program can be anything (a shell, a static Go binary) and inherits the filter to all it starts.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import platform
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

CONNECT, BIND, LISTEN, SHUTDOWN, UNAME = "connect", "bind", "listen", "shutdown", "uname"
GETSOCKNAME, GETPEERNAME = "getsockname", "getpeername"
SOCKET, SETSOCKOPT, GETSOCKOPT = "socket", "setsockopt", "getsockopt"
RECVFROM, SENDTO = "recvfrom", "sendto"

_X86_64, _AARCH64 = 0xC000003E, 0xC00000B7
_X32 = 0x40000000
_NUMBERS: Mapping[int, Mapping[str, int]] = {
    _X86_64: {
        CONNECT: 42, BIND: 49, LISTEN: 50, GETSOCKNAME: 51, GETPEERNAME: 52, SHUTDOWN: 48, SOCKET: 41,
        SETSOCKOPT: 54, GETSOCKOPT: 55, RECVFROM: 45, SENDTO: 44, UNAME: 63, "io_uring_setup": 425,
        "seccomp": 317,
        "open": 2, "creat": 85, "openat": 257, "stat": 4, "lstat": 6, "newfstatat": 262, "statx": 332,
        "readlink": 89, "setxattr": 188, "lsetxattr": 189, "getxattr": 191, "lgetxattr": 192,
        "listxattr": 194, "llistxattr": 195,
        "readlinkat": 267, "utimensat": 280, "rename": 82, "renameat": 264, "renameat2": 316, "access": 21,
        "unlink": 87, "mkdir": 83, "rmdir": 84, "chmod": 90, "chown": 92, "truncate": 76, "faccessat": 269,
        "faccessat2": 439, "unlinkat": 263, "mkdirat": 258, "fchmodat": 268,
        "fchmodat2": 452, "fchownat": 260,
    },
    _AARCH64: {
        CONNECT: 203, BIND: 200, LISTEN: 201, GETSOCKNAME: 204, GETPEERNAME: 205, SHUTDOWN: 210, SOCKET: 198,
        SETSOCKOPT: 208, GETSOCKOPT: 209, RECVFROM: 207, SENDTO: 206, UNAME: 160, "io_uring_setup": 425,
        "seccomp": 277, "openat": 56, "newfstatat": 79, "statx": 291, "readlinkat": 78, "utimensat": 88,
        "renameat": 38, "renameat2": 276, "setxattr": 5, "lsetxattr": 6, "getxattr": 8, "lgetxattr": 9,
        "listxattr": 11, "llistxattr": 12, "truncate": 45, "faccessat": 48, "faccessat2": 439, "unlinkat": 35,
        "mkdirat": 34, "fchmodat": 53, "fchmodat2": 452, "fchownat": 54,
    },
}  # fmt: skip
_ARCHITECTURES = {"x86_64": _X86_64, "aarch64": _AARCH64, "arm64": _AARCH64}

_NEEDED = (5, 9)
"""The Linux that can hand a descriptor over to who waits."""
_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _NEW_LISTENER, _WAIT_KILLABLE = 1, 1 << 3, 1 << 5
_KILL_PROCESS, _ERRNO, _NOTIFY, _ALLOW = 0x80000000, 0x00050000, 0x7FC00000, 0x7FFF0000
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16

_RECEIVE, _SEND, _ADD_DESCRIPTOR = 0xC0502100, 0xC0182101, 0x40182103
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
_RESPONSE = struct.Struct("=QqiI")
_DESCRIPTOR = struct.Struct("=QIIII")
_CONTINUE, _SET_DESCRIPTOR = 1, 1
_CLOSE_ON_EXEC = os.O_CLOEXEC

AF_INET, AF_INET6, SOCK_DGRAM, TYPE_MASK = 2, 10, 2, 0xF
_OF_TCP_AND_IP = (0, 6)  # levels
_SOL_SOCKET, _OF_SOCKET = 1, (38, 39)  # SO_PROTOCOL, SO_DOMAIN


class UnsupportedError(Exception):
    """This host's kernel, or what stands before it, has no such door; says why."""


@dataclass(frozen=True)
class Call:
    """A system call that waits for an answer."""

    id: int
    thread: int
    number: int
    name: str
    arguments: tuple[int, ...]


@dataclass(frozen=True)
class _Instruction:
    code: int
    value: int
    if_true: int = 0
    if_false: int = 0

    def packed(self) -> bytes:
        return struct.pack("=HBBI", self.code, self.if_true, self.if_false, self.value)


def _machine() -> tuple[int, Mapping[str, int]]:
    architecture = _ARCHITECTURES.get(platform.machine())
    if architecture is None:
        raise UnsupportedError(f"nobody has told it the system calls of {platform.machine()}")
    return architecture, _NUMBERS[architecture]


def install(others: Iterable[str] = ()) -> int:
    """Put the filter on this process, for good, and on all it will start; the descriptor of its other end.

    *others* are calls to be asked about beside those of the network, as far as this machine has them.
    UnsupportedError where the host has no such filter.
    """
    release = os.uname().release
    if _version(release) < _NEEDED:
        raise UnsupportedError(f"Linux {release} is older than {'.'.join(map(str, _NEEDED))}")
    for flags in (_NEW_LISTENER | _WAIT_KILLABLE, _NEW_LISTENER):
        found = _set(_program(others), flags)
        if found >= 0:
            return found
    raise UnsupportedError(f"seccomp: {os.strerror(ctypes.get_errno()).lower()}")


def _version(release: str) -> tuple[int, ...]:
    """The first two numbers; what has none counts as the newest, and is tried."""
    found = re.match(r"(\d+)\.(\d+)", release)
    return tuple(map(int, found.groups())) if found else _NEEDED


def refuse() -> None:
    """Where nobody can answer: refuse this process, and all it will start, every socket but local ones.

    UnsupportedError where the host has not even that.
    """
    if _set(_refusal(), 0) < 0:
        raise UnsupportedError(f"seccomp: {os.strerror(ctypes.get_errno()).lower()}")


def _set(instructions: list[_Instruction], flags: int) -> int:
    _, numbers = _machine()
    code = b"".join(each.packed() for each in instructions)
    buffer = ctypes.create_string_buffer(code)
    program = struct.pack("@HP", len(instructions), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return int(libc.syscall(numbers["seccomp"], _SET_MODE_FILTER, flags, program))


def _program(others: Iterable[str]) -> list[_Instruction]:
    """What the kernel asks about, what it refuses by itself, and what it lets pass: nearly everything."""
    architecture, numbers = _machine()
    found = _entrance(architecture)
    found += _if(numbers["io_uring_setup"], [_refuse(errno.ENOSYS)])  # it connects without a call to see
    for name in (CONNECT, BIND, LISTEN, GETSOCKNAME, GETPEERNAME, SHUTDOWN, UNAME):
        found += _if(numbers[name], [_Instruction(_RETURN, _NOTIFY)])
    found += _if(numbers[SOCKET], _about_sockets())
    for name in (SETSOCKOPT, GETSOCKOPT):
        found += _if(numbers[name], _about_options())
    for name in (RECVFROM, SENDTO):
        found += _if(numbers[name], _about_addresses())
    for name in others:
        if name in numbers:
            found += _if(numbers[name], [_Instruction(_RETURN, _NOTIFY)])
    return [*found, _Instruction(_RETURN, _ALLOW)]


def _refusal() -> list[_Instruction]:
    architecture, numbers = _machine()
    found = _entrance(architecture)
    found += _if(numbers["io_uring_setup"], [_refuse(errno.ENOSYS)])
    refused = [
        _argument(0),
        _Instruction(_JUMP_EQUAL, AF_INET, 1, 0),
        _Instruction(_JUMP_EQUAL, AF_INET6, 0, 1),
        _refuse(errno.ENETUNREACH),
        _Instruction(_RETURN, _ALLOW),
    ]
    return [*found, *_if(numbers[SOCKET], refused), _Instruction(_RETURN, _ALLOW)]


def _entrance(architecture: int) -> list[_Instruction]:
    """Load the call's number, of which there is but one of each then."""
    found = [
        _Instruction(_LOAD, _ARCH_AT),
        _Instruction(_JUMP_EQUAL, architecture, 1, 0),
        _Instruction(_RETURN, _KILL_PROCESS),  # other numbers for the same calls: it would pass unseen
        _Instruction(_LOAD, _NUMBER_AT),
    ]
    if architecture == _X86_64:
        found += [_Instruction(_JUMP_AT_LEAST, _X32, 0, 1), _refuse(errno.ENOSYS)]
    return found


def _if(number: int, then: list[_Instruction]) -> list[_Instruction]:
    return [_Instruction(_JUMP_EQUAL, number, 0, len(then)), *then]


def _refuse(number: int) -> _Instruction:
    return _Instruction(_RETURN, _ERRNO | number)


def _argument(index: int) -> _Instruction:
    """Load the lower half of an argument."""
    return _Instruction(_LOAD, _ARGUMENTS_AT + 8 * index)


def _about_sockets() -> list[_Instruction]:
    """A pod has no IPv6; and of a datagram socket one has to know later that it is one."""
    return [
        _argument(0),
        _Instruction(_JUMP_EQUAL, AF_INET6, 0, 1),
        _refuse(errno.EAFNOSUPPORT),
        _Instruction(_JUMP_EQUAL, AF_INET, 0, 3),
        _argument(1),
        _Instruction(_AND, TYPE_MASK),
        _Instruction(_JUMP_EQUAL, SOCK_DGRAM, 1, 0),
        _Instruction(_RETURN, _ALLOW),
        _Instruction(_RETURN, _NOTIFY),
    ]


def _about_options() -> list[_Instruction]:
    """Options that only TCP has, for connections that are none."""
    return [
        _argument(1),
        _Instruction(_JUMP_EQUAL, _OF_TCP_AND_IP[0], 5, 0),
        _Instruction(_JUMP_EQUAL, _OF_TCP_AND_IP[1], 4, 0),
        _Instruction(_JUMP_EQUAL, _SOL_SOCKET, 0, 4),
        _argument(2),
        _Instruction(_JUMP_EQUAL, _OF_SOCKET[0], 1, 0),
        _Instruction(_JUMP_EQUAL, _OF_SOCKET[1], 0, 1),
        _Instruction(_RETURN, _NOTIFY),
        _Instruction(_RETURN, _ALLOW),
    ]


def _about_addresses() -> list[_Instruction]:
    """Datagrams that say where to, or ask where from."""
    return [
        _argument(4),
        _Instruction(_JUMP_EQUAL, 0, 0, 3),
        _Instruction(_LOAD, _ARGUMENTS_AT + 8 * 4 + 4),
        _Instruction(_JUMP_EQUAL, 0, 0, 1),
        _Instruction(_RETURN, _ALLOW),
        _Instruction(_RETURN, _NOTIFY),
    ]


class Listener:
    """The supervisor's end."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        _, numbers = _machine()
        self._names = {number: name for name, number in numbers.items()}

    def receive(self) -> Call | None:
        """The next call; None where its thread has died since, or there will be none any more."""
        data = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(self.descriptor, _RECEIVE, data)
        except OSError:
            return None
        id_, thread, _, number, _, _, *arguments = _NOTIFICATION.unpack(data)
        return Call(id_, thread, number, self._names.get(number, ""), tuple(arguments))

    def proceed(self, call: Call) -> None:
        """Let the kernel do *call* as it is."""
        self._respond(call, 0, 0, _CONTINUE)

    def answer(self, call: Call, value: int = 0, error: int = 0) -> None:
        """Say what *call* gives: *value*, or the errno *error*."""
        self._respond(call, value, -error, 0)

    def give(self, call: Call, descriptor: int, *, as_: int | None = None, keep_on_exec: bool) -> int:
        """Give the caller a copy of *descriptor*, in place of its own *as_* or as a new one: its number.

        OSError where it has died.
        """
        flags, place = (0, 0) if as_ is None else (_SET_DESCRIPTOR, as_)
        data = _DESCRIPTOR.pack(call.id, flags, descriptor, place, 0 if keep_on_exec else _CLOSE_ON_EXEC)
        return int(fcntl.ioctl(self.descriptor, _ADD_DESCRIPTOR, bytearray(data)))

    def _respond(self, call: Call, value: int, error: int, flags: int) -> None:
        with contextlib.suppress(OSError):  # it was killed meanwhile
            fcntl.ioctl(self.descriptor, _SEND, bytearray(_RESPONSE.pack(call.id, value, error, flags)))
