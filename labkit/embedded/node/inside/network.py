"""A program's network calls, answered as a container of the pod would have them.

* ``connect`` to anywhere goes to the pod's sidecar, which is told the destination; without one, straight to
  the cluster's addresses, as kube-proxy sends it on. ``localhost`` is the pod, Envoy's own ports included.
* ``bind`` to any or a local address lands on the pod's own. A port that this account may not open is opened
  at another one (:mod:`labkit.embedded.low_ports`), and still reads as it was.
* ``listen`` is said to the node, unless it is for the pod's ``localhost`` alone.
* What is sent to a DNS server is answered by the cluster's DNS, and ``uname`` names the pod.
* There is no IPv6, as in many a cluster.

A connection of the program's is made here, and takes the place of its descriptor: the options it had set
before stay behind, and whoever had it in an epoll set before connecting waits in vain (nginx's upstreams do
that; curl, wget, nc, openssl, Node and Go don't). Other datagrams than DNS go to the pod that is meant, as
kube-proxy sends them on, and past the sidecar, as in Istio.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import threading

from labkit.embedded.addresses import FORMER_SERVICE_NETWORK, NODE_ADDRESS, SERVICE_NETWORK, is_pods
from labkit.embedded.low_ports import moved, port_at
from labkit.embedded.node.inside import brief, lines, paths, resolver, seccomp, tracee
from labkit.embedded.node.inside.keeper import Keeper
from labkit.embedded.node.inside.lines import Line
from labkit.embedded.node.inside.listening import Listening
from labkit.embedded.node.inside.node import Place
from labkit.embedded.node.inside.paths import Paths
from labkit.embedded.node.inside.seccomp import Call, Listener
from labkit.embedded.node.inside.tracee import Address
from labkit.embedded.node.shim import labkit_capture, labkit_sidecar

ADMIN_PORT, DNS_PORT = 15000, 53
PROXY_PORTS = frozenset({15020, 15021, 15090})
"""What an Envoy serves on the pod's address itself; ``localhost`` means it, too."""
NOT_HERE = (b"/nscd/socket", b"/systemd/resolve/", b"/avahi-daemon/socket")
"""Parts of the paths of the host's own resolvers, which know nothing of the cluster."""

_ANY, NODE = "0.0.0.0", NODE_ADDRESS
_NODE_PORTS = range(30000, 32768)
_CLUSTER_IPS = tuple(
    ".".join(str(each.network_address).split(".")[:2]) + "."
    for each in (SERVICE_NETWORK, FORMER_SERVICE_NETWORK)
)
"""How cluster IPs begin."""
_LONGEST_ADDRESS = 128
_LENGTH_OF_INET = 8
"""Of a ``sockaddr_in``, what it says."""
_UTSNAME, _NODE_NAME_AT, _FIELD = 390, 65, 65
_LONGEST_DATAGRAM = 65536
_MOST_REMEMBERED = 4096


class Network:
    """Answers the calls of one program and of all it starts."""

    def __init__(self, place: Place, listener: Listener, paths: Paths | None = None) -> None:
        """*paths* answers what is asked about files, where anything is."""
        self._place, self._listener, self._paths = place, listener, paths
        self._lines: dict[str, Line] = {}
        self._datagrams: dict[str, None] = {}
        self._bound: dict[str, int] = {}
        self._opened: dict[int, int] = {}
        """What was opened at another port: where → what was meant."""
        self._listening = Listening(place)
        self._questions: dict[str, tuple[socket.socket, Address]] = {}
        """The program's end of its talk with the DNS, and whom it takes that for."""
        self.keeper = Keeper()

    def serve(self) -> None:
        """Answer until there is nobody left to ask."""
        import select

        waiting = select.poll()
        waiting.register(self._listener.descriptor, select.POLLIN)
        while True:
            for _, event in waiting.poll():
                if event & select.POLLIN and (call := self._listener.receive()):
                    self._begin(call)
                elif event & select.POLLHUP:
                    return

    def _begin(self, call: Call) -> None:
        """Quick answers at once, others beside."""
        if call.name in (seccomp.CONNECT, seccomp.SHUTDOWN, seccomp.RECVFROM):
            threading.Thread(target=self._handle, args=(call,), daemon=True).start()
        else:
            self._handle(call)

    def _handle(self, call: Call) -> None:
        try:
            if self._paths and call.name in paths.SHAPES:
                self._paths.handle(call)
            else:
                getattr(self, f"_{call.name}")(call)
        except OSError as error:
            self._listener.answer(call, error=error.errno or errno.EIO)
        except Exception:  # of ours: the program shall not wait for ever
            self._listener.answer(call, error=errno.EIO)

    # ------------------------------------------------------------------------------------- connections

    def _connect(self, call: Call) -> None:
        descriptor, raw = _descriptor(call), _sockaddr(call)
        match tracee.family_of(raw):
            case socket.AF_INET if len(raw) >= 16:
                self._connect_inet(call, descriptor, tracee.unpacked(raw))
            case socket.AF_UNIX if any(part in raw for part in NOT_HERE):
                self._listener.answer(call, error=errno.ENOENT)
            case _:
                self._listener.proceed(call)

    def _connect_inet(self, call: Call, descriptor: int, target: Address) -> None:
        inode = tracee.inode(call.thread, descriptor)
        if inode in self._lines:
            self._listener.answer(call, error=errno.EISCONN)
        elif inode in self._datagrams:
            self._connect_datagrams(call, descriptor, inode, target)
        elif target[1] == DNS_PORT:
            self._talk(call, descriptor, target, socket.SOCK_STREAM)
        else:
            self._connect_stream(call, descriptor, inode, target)

    def _connect_stream(self, call: Call, descriptor: int, inode: str, target: Address) -> None:
        flags = tracee.flags(call.thread, descriptor)
        blocking = not flags & os.O_NONBLOCK
        made, line, error = self._dial(target, self._bound.pop(inode, 0), blocking=blocking)
        with made:
            made.setblocking(blocking)
            self._remember(made, line)
            self._listener.give(call, made.fileno(), as_=descriptor, keep_on_exec=not flags & os.O_CLOEXEC)
            self._listener.answer(call, error=error)
            if not line.is_tcp or target[0].startswith("127."):
                self.keeper.keep(made, call.thread, descriptor)

    def _remember(self, made: socket.socket, line: Line) -> None:
        if len(self._lines) >= _MOST_REMEMBERED:
            self._forget_the_closed()
        self._lines[_inode(made)] = line

    def _forget_the_closed(self) -> None:
        with open("/proc/net/unix") as unix, open("/proc/net/tcp") as tcp:  # noqa: PTH123
            alive = {each.split()[6] for each in unix} | {each.split()[9] for each in tcp}
        self._lines = {inode: line for inode, line in self._lines.items() if inode[8:-1] in alive}

    def _dial(self, target: Address, port: int, *, blocking: bool) -> lines.Made:
        """A connection to *target*, from *port* where that is not 0, and the errno that it began with."""
        here, (host, number) = self._place, target
        is_local = _is_local(host) or host in (here.pod_ip, here.app_ip)
        if is_local and not (host == NODE and self._is_node_port(number)):
            if number == ADMIN_PORT and here.admin:
                return lines.unix(here.admin), Line((host, lines.some_port()), target), 0
            own = here.pod_ip if number in PROXY_PORTS and here.admin else here.app_ip
            return lines.tcp((own, moved(number, here.lowest_port)), "", 0, target, blocking=blocking)
        if here.sidecar and not is_local and self._is_captured(host, number):
            made = labkit_sidecar.dial(here.sidecar, (here.pod_ip, port), target, labkit_sidecar.PATIENCE)
            line = Line((here.pod_ip, labkit_sidecar.own_port(made)), target)
            return brief.lasting(made), line, 0
        host, number = self._way(target, "TCP")
        source = here.pod_ip if host.startswith("127.") else ""
        return lines.tcp((host, number), source, port, target, blocking=blocking)

    def _way(self, target: Address, protocol: str) -> Address:
        """Where kube-proxy sends what is for *target*; an OSError where nobody is."""
        match self._place.ask("endpoint", target[0], str(target[1]), self._place.pod_ip, protocol):
            case ["to", endpoint, behind]:
                return endpoint, int(behind)
            case ["refused"]:
                raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        return target

    def _is_node_port(self, port: int) -> bool:
        """Whether *port* of 127.0.0.1 is a Service's, as it is on the node, and none of the pod's own."""
        if port not in _NODE_PORTS or self._way((NODE, port), "TCP") == (NODE, port):
            return False
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
            return one.connect_ex((self._place.app_ip, port)) != 0

    def _is_captured(self, host: str, port: int) -> bool:
        rules = dict(self._place.outbound_rules)
        return not rules or labkit_capture.is_captured(rules, host, port)

    def _shutdown(self, call: Call) -> None:
        """Only once the sidecar has read what was sent: it drops a connection whose end comes too soon."""
        inode = tracee.inode(call.thread, _descriptor(call))
        if inode in self._lines:
            self.keeper.settle(inode)
        self._listener.proceed(call)

    # ------------------------------------------------------------------------------- names and addresses

    def _bind(self, call: Call) -> None:
        raw = _sockaddr(call)
        if tracee.family_of(raw) == socket.AF_INET and len(raw) >= 16:
            host, port = tracee.unpacked(raw)
            self._listening.bound(tracee.inode(call.thread, _descriptor(call)), host)
            if host == _ANY or _is_local(host) or host == self._place.pod_ip:
                where = self._place.app_ip, self._open(port)
                tracee.write(call.thread, call.arguments[1], tracee.packed(where)[:_LENGTH_OF_INET])
            if port and len(self._bound) < _MOST_REMEMBERED:
                self._bound[tracee.inode(call.thread, _descriptor(call))] = port
        self._listener.proceed(call)

    def _listen(self, call: Call) -> None:
        self._listening.begin(call.thread, _descriptor(call), self._opened)
        self._listener.proceed(call)

    def _open(self, port: int) -> int:
        """Where *port* is to be opened."""
        found = moved(port, self._place.lowest_port)
        if found != port:
            self._opened[found] = port
        return found

    def _getsockname(self, call: Call) -> None:
        self._tell(call, own=True)

    def _getpeername(self, call: Call) -> None:
        self._tell(call, own=False)

    def _tell(self, call: Call, *, own: bool) -> None:
        inode = tracee.inode(call.thread, _descriptor(call))
        line = self._lines.get(inode)
        address = (line.own if own else line.peer) if line else self._end_of_talk(inode, own=own)
        if address is None and own and self._opened and not line:
            address = self._as_meant(tracee.bound_address(call.thread, inode))
        if address is None:
            self._listener.proceed(call)
            return
        _, address_at, length_at = call.arguments[:3]
        tracee.write_bounded(call.thread, address_at, length_at, tracee.packed(address))
        self._listener.answer(call)

    def _as_meant(self, address: Address | None) -> Address | None:
        """*address* as the program knows it, where it was opened at another port."""
        if address is None or address[1] not in self._opened:
            return None
        return address[0], self._opened[address[1]]

    def _end_of_talk(self, inode: str, *, own: bool) -> Address | None:
        _, server = self._questions.get(inode, (None, None))
        return (self._place.pod_ip, DNS_PORT) if server and own else server

    def _uname(self, call: Call) -> None:
        names = [*os.uname(), "(none)"]
        names[1] = self._place.pod
        data = b"".join(each.encode()[: _FIELD - 1].ljust(_FIELD, b"\0") for each in names)
        tracee.write(call.thread, call.arguments[0], data)
        self._listener.answer(call)

    # ------------------------------------------------------------------------------------------ options

    def _setsockopt(self, call: Call) -> None:
        """Options of TCP, on a connection that is none: tried on one, and remembered."""
        _, level, option, value_at, length = call.arguments[:5]
        line = self._lines.get(tracee.inode(call.thread, _descriptor(call)))
        if line is None or line.is_tcp:
            self._listener.proceed(call)
            return
        value = tracee.read(call.thread, value_at, length)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
            one.setsockopt(level, option, value)
        line.options[level, option] = value
        self._listener.answer(call)

    def _getsockopt(self, call: Call) -> None:
        _, level, option, value_at, length_at = call.arguments[:5]
        line = self._lines.get(tracee.inode(call.thread, _descriptor(call)))
        if line is None or line.is_tcp:
            self._listener.proceed(call)
            return
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
            for (known, each), value in line.options.items():
                one.setsockopt(known, each, value)
            value = one.getsockopt(level, option, tracee.read_length(call.thread, length_at))
        tracee.write_bounded(call.thread, value_at, length_at, value)
        self._listener.answer(call)

    # -------------------------------------------------------------------------------- datagrams and DNS

    def _socket(self, call: Call) -> None:
        """A datagram socket, made here so that it is known again."""
        family, kind, protocol = (int(each) & 0xFFFFFFFF for each in call.arguments[:3])
        with socket.socket(family, socket.SOCK_DGRAM, protocol) as made:
            made.setblocking(not kind & socket.SOCK_NONBLOCK)
            if len(self._datagrams) >= _MOST_REMEMBERED:
                del self._datagrams[next(iter(self._datagrams))]
            self._datagrams[_inode(made)] = None
            given = self._listener.give(call, made.fileno(), keep_on_exec=not kind & socket.SOCK_CLOEXEC)
        self._listener.answer(call, given)

    def _connect_datagrams(self, call: Call, descriptor: int, inode: str, target: Address) -> None:
        if target[1] == DNS_PORT:
            self._talk(call, descriptor, target, socket.SOCK_SEQPACKET)
            return
        self._send_where_meant(call, call.arguments[1], target)

    def _send_where_meant(self, call: Call, address_at: int, target: Address) -> None:
        """Let the kernel have a datagram's real destination: the pod, or a pod of a Service."""
        where = target
        if _is_local(target[0]):
            where = self._place.app_ip, moved(target[1], self._place.lowest_port)
        elif target[0].startswith(_CLUSTER_IPS):
            with contextlib.suppress(ConnectionRefusedError):  # the kernel says so, once something is sent
                where = self._way(target, "UDP")
        elif is_pods(target[0]):
            where = target[0], port_at(*target, self._place.lowest_port)
        if where[0].startswith("127."):
            self._come_from_pod(call)
        if where != target:
            tracee.write(call.thread, address_at, tracee.packed(where)[:_LENGTH_OF_INET])
        self._listener.proceed(call)

    def _come_from_pod(self, call: Call) -> None:
        """Let whoever gets a datagram see the pod's address, unless the program chose one."""
        with tracee.socket_of(call.thread, _descriptor(call)) as sender:
            if sender.getsockname() == (_ANY, 0):
                sender.bind((self._place.pod_ip, 0))

    def _sendto(self, call: Call) -> None:
        descriptor, data_at, size, _, address_at, length = call.arguments
        raw = tracee.read(call.thread, address_at, min(length, _LONGEST_ADDRESS))
        is_inet = tracee.family_of(raw) == socket.AF_INET and len(raw) >= 16
        if not is_inet or tracee.unpacked(raw)[1] != DNS_PORT:
            if is_inet and tracee.inode(call.thread, _descriptor(call)) in self._datagrams:
                self._send_where_meant(call, int(address_at), tracee.unpacked(raw))
            else:
                self._listener.proceed(call)
            return
        inode = tracee.inode(call.thread, _descriptor(call))
        if inode not in self._questions:
            ours = self._give_talk(call, int(descriptor), tracee.unpacked(raw), socket.SOCK_SEQPACKET)
        else:
            ours = self._questions[inode][0]
        ours.send(tracee.read(call.thread, data_at, min(size, _LONGEST_DATAGRAM)))
        self._listener.answer(call, int(size))

    def _recvfrom(self, call: Call) -> None:
        """Of DNS, for those who look who answers; as its sender the server that was asked."""
        _, data_at, size, flags, address_at, length_at = call.arguments
        found = self._questions.get(tracee.inode(call.thread, _descriptor(call)))
        if found is None:
            self._listener.proceed(call)
            return
        data = found[0].recv(_LONGEST_DATAGRAM, int(flags) & socket.MSG_DONTWAIT)[:size]
        tracee.write(call.thread, data_at, data)
        if length_at:
            tracee.write_bounded(call.thread, address_at, length_at, tracee.packed(found[1]))
        self._listener.answer(call, len(data))

    def _talk(self, call: Call, descriptor: int, server: Address, kind: int) -> None:
        self._give_talk(call, descriptor, server, kind)
        self._listener.answer(call)

    def _give_talk(self, call: Call, descriptor: int, server: Address, kind: int) -> socket.socket:
        """Put a connection to the cluster's DNS in the place of *descriptor*; a copy of the program's end."""
        flags = tracee.flags(call.thread, descriptor)
        ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
        theirs.setblocking(not flags & os.O_NONBLOCK)
        self._questions[_inode(theirs)] = theirs, server
        self._listener.give(call, theirs.fileno(), as_=descriptor, keep_on_exec=not flags & os.O_CLOEXEC)
        threading.Thread(target=self._answer_questions, args=(ours, kind), daemon=True).start()
        return theirs

    def _answer_questions(self, ours: socket.socket, kind: int) -> None:
        with ours, contextlib.suppress(OSError):
            if kind == socket.SOCK_SEQPACKET:
                while query := ours.recv(_LONGEST_DATAGRAM):
                    ours.send(resolver.answer(self._place, query))
            else:
                while head := ours.recv(2, socket.MSG_WAITALL):
                    query = ours.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)
                    found = resolver.answer(self._place, query)
                    ours.sendall(struct.pack("!H", len(found)) + found)


def _descriptor(call: Call) -> int:
    return int(call.arguments[0]) & 0xFFFFFFFF


def _sockaddr(call: Call) -> bytes:
    address, length = call.arguments[1], call.arguments[2] & 0xFFFFFFFF
    return tracee.read(call.thread, address, min(length, _LONGEST_ADDRESS)) if address else b""


def _inode(made: socket.socket) -> str:
    return f"socket:[{os.fstat(made.fileno()).st_ino}]"


def _is_local(host: str) -> bool:
    return host == _ANY or host.startswith("127.0.")
