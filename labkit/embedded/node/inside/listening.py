"""What a program and all it starts listen on, said to the node, for the sidecar to take connections for it.

It is said just before the kernel does it, and holds as long as the connection to the node. It is closed when
the socket is found closed at the next look (whenever something else listens), and at the latest with the
supervisor, that is with the program. A port that was opened on ``localhost`` is the pod's own: in a real mesh
its sidecar calls the pod's address, where nobody is.
"""

from __future__ import annotations

import contextlib
import socket

from labkit.embedded.node.inside import tracee
from labkit.embedded.node.inside.node import SECONDS, Place

_MOST_REMEMBERED = 4096


class Listening:
    """Of one supervisor's programs."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._local: dict[str, None] = {}
        """The sockets that were bound to ``localhost``."""
        self._said: dict[str, socket.socket] = {}
        """The connection to the node, by the socket that it speaks of."""

    def bound(self, inode: str, host: str) -> None:
        """The socket *inode* is being bound to *host*."""
        if not host.startswith("127.0."):
            return
        if len(self._local) >= _MOST_REMEMBERED:
            del self._local[next(iter(self._local))]
        self._local[inode] = None

    def begin(self, thread: int, descriptor: int, meant: dict[int, int]) -> None:
        """*thread* is about to listen on *descriptor*; *meant* are ports that are opened at another one.

        Where the node can't be told, or the program has died, nothing more comes of it.
        """
        with contextlib.suppress(OSError):
            inode = tracee.inode(thread, descriptor)
            port = self._port(thread, descriptor)
            if port and inode not in self._local and inode not in self._said:
                self._forget_the_closed()
                self._said[inode] = self._say(meant.get(port, port))

    def _port(self, thread: int, descriptor: int) -> int:
        """The port of a socket that is behind the sidecar; 0 of any other."""
        if self._place.app_ip == self._place.pod_ip:
            return 0
        with tracee.socket_of(thread, descriptor) as copy:
            name = copy.getsockname() if copy.family == socket.AF_INET else ("", 0)
        return int(name[1]) if name[0] == self._place.app_ip else 0

    def _say(self, port: int) -> socket.socket:
        node = socket.socket(socket.AF_UNIX)
        node.settimeout(SECONDS)
        try:
            node.connect(self._place.socket)
            node.sendall(f"listens {self._place.pod_ip} {port}\n".encode())
        except OSError:
            node.close()
            raise
        return node

    def _forget_the_closed(self) -> None:
        with open("/proc/net/tcp") as lines:  # noqa: PTH123
            alive = {f"socket:[{each.split()[9]}]" for each in lines}
        for inode in self._said.keys() - alive:
            self._said.pop(inode).close()
