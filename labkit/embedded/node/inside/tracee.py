"""A look at the thread whose call is held back: its memory, its descriptors. OSError where it has died."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys

_SOCKADDR_IN = struct.Struct("!2xH4s8x")
_FAMILY = struct.Struct("=H")
_LENGTH = struct.Struct("=I")
_PIDFD_OPEN, _PIDFD_GETFD = 434, 438  # of every architecture

Address = tuple[str, int]


def why_hidden(process: int) -> str:
    """Why its memory can't be looked at, as with Yama's ``ptrace_scope`` of 2; empty where it can."""
    try:
        os.close(os.open(f"/proc/{process}/mem", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return f"memory of a child: {os.strerror(error.errno or 0).lower()}"
    return ""


def read(thread: int, address: int, size: int) -> bytes:
    """*size* bytes of its memory."""
    memory = os.open(f"/proc/{thread}/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(memory, size, address)
    finally:
        os.close(memory)


def write(thread: int, address: int, data: bytes) -> None:
    """Put *data* into its memory."""
    memory = os.open(f"/proc/{thread}/mem", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(memory, data, address)
    finally:
        os.close(memory)


def inode(thread: int, descriptor: int) -> str:
    """What tells a socket from all others: ``socket:[4711]``."""
    return os.readlink(f"/proc/{thread}/fd/{descriptor}")  # noqa: PTH115


def flags(thread: int, descriptor: int) -> int:
    """Of one of its descriptors: O_NONBLOCK, O_CLOEXEC …"""
    with open(f"/proc/{thread}/fdinfo/{descriptor}") as lines:  # noqa: PTH123
        return next(int(each.split()[1], 8) for each in lines if each.startswith("flags:"))


def socket_of(thread: int, descriptor: int) -> socket.socket:
    """A copy of one of its sockets."""
    with open(f"/proc/{thread}/status") as lines:  # noqa: PTH123
        process = next(int(each.split()[1]) for each in lines if each.startswith("Tgid:"))
    handle = _system(_PIDFD_OPEN, process, 0)
    try:
        return socket.socket(fileno=_system(_PIDFD_GETFD, handle, descriptor, 0))
    finally:
        os.close(handle)


def _system(number: int, *arguments: int) -> int:
    """A system call that Python may lack; OSError where it fails."""
    libc = ctypes.CDLL(None, use_errno=True)
    found = int(libc.syscall(number, *arguments))
    if found < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return found


def bound_address(thread: int, inode: str) -> Address | None:
    """Where the TCP socket *inode* is, as the kernel says; None where it is none."""
    with open(f"/proc/{thread}/net/tcp") as lines:  # noqa: PTH123
        found = (each.split() for each in lines)
        local = next((each[1] for each in found if f"socket:[{each[9]}]" == inode), None)
    if local is None:
        return None
    host, _, port = local.partition(":")
    return socket.inet_ntoa(int(host, 16).to_bytes(4, sys.byteorder)), int(port, 16)


def read_length(thread: int, address: int) -> int:
    """A ``socklen_t``."""
    return int(_LENGTH.unpack(read(thread, address, _LENGTH.size))[0])


def write_bounded(thread: int, address: int, length_at: int, data: bytes) -> None:
    """Answer with *data* as far as there is room, and its whole length, as ``getsockname`` does."""
    room = read_length(thread, length_at)
    write(thread, address, data[:room])
    write(thread, length_at, _LENGTH.pack(len(data)))


def packed(address: Address) -> bytes:
    """*address* as a ``sockaddr_in``."""
    host, port = address
    return _FAMILY.pack(socket.AF_INET) + _SOCKADDR_IN.pack(port, socket.inet_aton(host))[2:]


def family_of(raw: bytes) -> int:
    """Of a ``sockaddr``."""
    return int(_FAMILY.unpack(raw[:2])[0]) if len(raw) >= 2 else 0


def unpacked(raw: bytes) -> Address:
    """The address in a ``sockaddr_in``."""
    port, host = _SOCKADDR_IN.unpack(raw[: _SOCKADDR_IN.size])
    return socket.inet_ntoa(host), port
