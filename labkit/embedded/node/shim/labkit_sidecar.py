"""A program's TCP connection that is a Unix socket to the sidecar: what the program may ask of it.

The program holds an AF_INET socket; once connected, its descriptor is that of a Unix socket, on which the
sidecar's Envoy reads a PROXY header (version 2) with both ends first. A Unix socket, because there is no
SO_ORIGINAL_DST on one: where the host tracks connections (Docker, a firewall, kube-proxy), Envoy would
believe the kernel's answer and not the header. And nobody but the pod's user can open it.

Both ends are the socket's own name, in the abstract namespace: the kernel keeps it for as long as the
connection lives, whatever becomes of the Python object (``dup``, ``detach``, ``fromfd``, TLS around it,
another process), and gives it to no second connection, as with the four numbers that name a TCP connection.
It is no longer than an AF_INET socket's: for more, the Python object of one has no room. And it is printable,
for all the machine's programs that list sockets. Options that only TCP has are remembered, and answered as a
TCP socket would with the same ones set.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import socket
import struct
import time
import weakref
from typing import Any, TypeGuard

Address = tuple[str, int]

PATIENCE = 5.0
"""Seconds that even a program waits that never does: on one machine, longer means that the sidecar hangs."""

_ENDS = struct.Struct("!4s4sHH")  # as they stand in the PROXY header
_DIGITS = bytes(range(ord("!"), ord("~") + 1))
_NAME_LENGTH = 14  # a NUL, which makes it abstract, and 13 digits: 85 bits
_POD_BITS, _MARK = 15, 0b101101
"""A pod's part of its address (a /17 of the cluster's), and six bits that tell our names from others'."""
_PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x21, 0x11]) + struct.pack("!H", _ENDS.size)
_PORTS = range(32768, 61000)  # Linux's own choice of ephemeral ports
_SETTLED_AFTER = 0.5  # seconds: by then Envoy has read the header, if it ever does
_OUTQ = 0x5411  # Linux's SIOCOUTQ: what the other end has not read yet
_OF_TCP = {(socket.SOL_SOCKET, option) for option in (38, 39)}  # SO_PROTOCOL, SO_DOMAIN

_init = socket.socket.__init__
_connect = socket.socket.connect
_getsockname = socket.socket.getsockname
_getpeername = socket.socket.getpeername
_recvfrom = socket.socket.recvfrom
_shutdown = socket.socket.shutdown
_real_close = socket.socket._real_close  # type: ignore[attr-defined]
_getsockopt = socket.socket.getsockopt
_setsockopt = socket.socket.setsockopt


class _Options(dict[tuple[int, int], tuple[Any, ...]]):
    """What a program has set, by level and option."""


_options: weakref.WeakKeyDictionary[socket.socket, _Options] = weakref.WeakKeyDictionary()
_options_of_name: weakref.WeakValueDictionary[bytes, _Options] = weakref.WeakValueDictionary()
_settled_by: dict[int, float] = {}  # by descriptor, which goes from object to object
_next_port = itertools.count(int.from_bytes(os.urandom(2), "big"))
_network = 0
"""What the addresses of the cluster's pods begin with."""


def connect(self: socket.socket, path: str, source: str, target: Address) -> None:
    """Connect *self* from *source*, or the port it is bound to, to *target*, by the sidecar at *path*.

    OSError as from TCP: refused where nobody listens at *path*, TimeoutError where nobody takes connections.
    """
    bound = _getsockname(self)
    if isinstance(bound, bytes) or (bound[1] and _is_connected(self)):
        raise _error(errno.EISCONN)
    with dial(path, (source, bound[1]), target, self.gettimeout()) as line:
        for (level, option), value in _options.get(self, _Options()).items():
            if level == socket.SOL_SOCKET:
                _setsockopt(line, level, option, *value)
        _take_place(line, self)
    _settled_by[self.fileno()] = time.monotonic() + _SETTLED_AFTER


def dial(path: str, source: Address, target: Address, patience: float | None) -> socket.socket:
    """A connection to the sidecar at *path* that has said where from (a port 0 is chosen here) and where to.

    *patience* in seconds, as a socket's timeout; OSError as :func:`connect`.
    """
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        ends = _name(line, source, target)
        _reach(line, path, patience)
        line.sendall(_PROXY_V2 + ends)
    except BaseException:
        line.close()
        raise
    return line


def own_port(line: socket.socket) -> int:
    """The source port that *line* has."""
    return _number(_getsockname(line)) >> 16 & 0xFFFF


def has_unread(line: socket.socket) -> bool:
    """Whether the sidecar has not yet read all that was sent on *line*."""
    return _has_unread(line)


def _is_connected(self: socket.socket) -> bool:
    try:
        _getpeername(self)
    except OSError:
        return False
    return True


def _name(line: socket.socket, source: Address, target: Address) -> bytes:
    """Name *line* after its ends, with a port for the source where it has none; the ends."""
    hosts = socket.inet_aton(source[0]), socket.inet_aton(target[0])
    for port in (source[1],) if source[1] else (_PORTS[next(_next_port) % len(_PORTS)] for _ in _PORTS):
        ends = _ENDS.pack(*hosts, port, target[1])
        try:
            line.bind(_written(ends))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return ends
    raise _error(errno.EADDRNOTAVAIL)


def _reach(line: socket.socket, path: str, patience: float | None) -> None:
    """Connect; where the sidecar has not taken what came before, wait as long as the program would."""
    line.setblocking(False)
    try:
        _connect(line, path)
    except FileNotFoundError:
        raise _error(errno.ECONNREFUSED) from None
    except BlockingIOError:
        _wait(line, path, PATIENCE if patience == 0 else patience)


def _wait(line: socket.socket, path: str, patience: float | None) -> None:
    line.setblocking(True)
    _set_send_timeout(line, patience or 0)
    try:
        _connect(line, path)
    except BlockingIOError:
        raise TimeoutError("timed out") from None
    _set_send_timeout(line, 0)


def _set_send_timeout(line: socket.socket, seconds: float) -> None:
    """For the kernel, which waits in ``connect``; 0 is without end."""
    whole, rest = divmod(seconds, 1)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(whole), int(rest * 1e6)))


def _take_place(line: socket.socket, program: socket.socket) -> None:
    """*program*'s descriptor becomes *line*'s, with the flags it had."""
    old = program.fileno()
    os.set_blocking(line.fileno(), os.get_blocking(old))
    os.dup2(line.fileno(), old, inheritable=os.get_inheritable(old))


def _settle(self: socket.socket) -> None:
    """Wait, where the connection has just begun, until all it sent is read.

    Envoy gives up a connection whose end it sees before it has read the header, and what was sent with it.
    """
    until = _settled_by.pop(self.fileno(), 0.0)
    while time.monotonic() < until and _has_unread(self):
        time.sleep(0.0002)  # nothing tells us when it is read


def _has_unread(self: socket.socket) -> bool:
    try:
        return any(fcntl.ioctl(self.fileno(), _OUTQ, bytes(4)))
    except (OSError, ValueError):  # somebody else has closed it
        return False


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


# ------------------------------------------------------------------------------- what a program may ask


def _is_tcp(self: socket.socket) -> bool:
    """Whether the program takes it for a TCP socket."""
    return self.family == socket.AF_INET and self.type == socket.SOCK_STREAM


def _line(self: socket.socket) -> bytes | None:
    """The name of *self* where it is a connection to the sidecar."""
    name = _getsockname(self)
    return name if _is_ours(name) else None


def _is_ours(name: Any) -> TypeGuard[bytes]:
    return (
        isinstance(name, bytes) and len(name) == _NAME_LENGTH and _number(name) >> (64 + _POD_BITS) == _MARK
    )


def _written(ends: bytes) -> bytes:
    """*ends* as a name."""
    source, target, source_port, target_port = _ENDS.unpack(ends)
    pod = int.from_bytes(source, "big") % (1 << _POD_BITS)
    rest = int.from_bytes(target, "big") << 32 | source_port << 16 | target_port
    number, digits = ((_MARK << _POD_BITS | pod) << 64) | rest, bytearray()
    for _ in range(_NAME_LENGTH - 1):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return b"\0" + bytes(digits)


def _number(name: bytes) -> int:
    number = 0
    for digit in reversed(name[1:]):
        number = number * len(_DIGITS) + _DIGITS.find(digit)
    return number


def _ends(name: bytes) -> tuple[Address, Address]:
    number = _number(name)
    pod = number >> 64 & ((1 << _POD_BITS) - 1)
    source = _network | pod
    target, source_port, target_port = number >> 32 & 0xFFFFFFFF, number >> 16 & 0xFFFF, number & 0xFFFF
    return (_dotted(source), source_port), (_dotted(target), target_port)


def _dotted(address: int) -> str:
    return socket.inet_ntoa(address.to_bytes(4, "big"))


def getsockname(self: socket.socket) -> Any:
    """As ``socket.getsockname``."""
    name = _getsockname(self)
    return _ends(name)[0] if _is_ours(name) else name


def getpeername(self: socket.socket) -> Any:
    """As ``socket.getpeername``."""
    name = _line(self)
    return _ends(name)[1] if name else _getpeername(self)


def recvfrom(self: socket.socket, size: int, flags: int = 0) -> tuple[bytes, Any]:
    """As ``socket.recvfrom``, which names no sender where there is but one."""
    data, sender = _recvfrom(self, size, flags)
    return data, None if isinstance(sender, str) and _is_tcp(self) else sender


def shutdown(self: socket.socket, how: int) -> None:
    """As ``socket.shutdown``."""
    _settle(self)
    _shutdown(self, how)


def real_close(self: socket.socket, *words: Any) -> None:
    """As what ``socket.close`` does in the end."""
    _settle(self)
    _real_close(self, *words)


def setsockopt(self: socket.socket, level: int, option: int, *value: Any) -> None:
    """As ``socket.setsockopt``; remembered until and while it is a connection to the sidecar."""
    is_tcp = _is_tcp(self)
    name = _line(self) if is_tcp else None
    if name and level != socket.SOL_SOCKET:
        with _tcp() as one:  # which refuses what it does not know
            _setsockopt(one, level, option, *value)
    else:
        _setsockopt(self, level, option, *value)
    if is_tcp:
        _remembered(self, name)[level, option] = value


def getsockopt(self: socket.socket, level: int, option: int, *length: int) -> Any:
    """As ``socket.getsockopt``."""
    if level == socket.SOL_SOCKET and (level, option) not in _OF_TCP:
        return _getsockopt(self, level, option, *length)
    name = _line(self) if _is_tcp(self) else None
    if not name:
        return _getsockopt(self, level, option, *length)
    with _tcp() as one:
        for (known, each), value in _remembered(self, name).items():
            if known != socket.SOL_SOCKET:
                _setsockopt(one, known, each, *value)
        return _getsockopt(one, level, option, *length)


def _tcp() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM)


def _remembered(self: socket.socket, name: bytes | None) -> _Options:
    """What was set on *self*, or on another object of the same connection."""
    found = _options.get(self)
    if found is None:
        found = (_options_of_name.get(name) if name else None) or _Options()
        _options[self] = found
    if name:
        _options_of_name[name] = found
    return found


def __init__(  # noqa: N807 - takes the place of a class's
    self: socket.socket, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None
) -> None:
    """As ``socket.socket``; what a descriptor alone is asked for its family, it is TCP again."""
    _init(self, family, type, proto, fileno)
    if fileno is not None and family == -1 and self.family == socket.AF_UNIX and _line(self):
        _init(self, socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, self.detach())


def _begin_elsewhere() -> None:
    global _next_port
    _next_port = itertools.count(int.from_bytes(os.urandom(2), "big"))


def install(pod_ip: str) -> None:
    """From now on every socket of this process, in the pod with *pod_ip*, answers so."""
    global _network
    _network = int.from_bytes(socket.inet_aton(pod_ip), "big") >> _POD_BITS << _POD_BITS
    os.register_at_fork(after_in_child=_begin_elsewhere)  # so that two processes do not race for the same
    socket.socket.__init__ = __init__  # type: ignore[method-assign]
    socket.socket.getsockname = getsockname  # type: ignore[method-assign,assignment]
    socket.socket.getpeername = getpeername  # type: ignore[method-assign,assignment]
    socket.socket.shutdown = shutdown  # type: ignore[method-assign,assignment]
    socket.socket._real_close = real_close  # type: ignore[attr-defined]
    socket.socket.recvfrom = recvfrom  # type: ignore[method-assign,assignment]
    socket.socket.getsockopt = getsockopt  # type: ignore[method-assign,assignment]
    socket.socket.setsockopt = setsockopt  # type: ignore[method-assign,assignment]
