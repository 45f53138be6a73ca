"""A pod's network, for a Python process: what resolv.conf, iptables and a namespace do for a container.

Python imports a module of this name before the program, unasked; the node puts its directory on the
pod's PYTHONPATH. From then on, for any code that uses the ``socket`` module (asyncio, aiohttp,
http.client, ssl …; not uvloop, which does not):

* ``getaddrinfo`` asks the cluster's DNS, through the node; other names go to the host's resolver.
* ``bind`` to any or a local address lands on the pod's own; behind a sidecar, on the private one. A port
  that this account may not open is opened at another one (:mod:`labkit_ports`), and still reads as it was.
* ``listen``, behind a sidecar, is said to the node for as long as the socket is there (unless it is the pod's
  ``localhost`` alone that may connect), so that the sidecar takes connections for it.
* ``connect`` goes to the sidecar's outbound listener, which is told the real destination, as iptables'
  REDIRECT leaves it for SO_ORIGINAL_DST (:mod:`labkit_sidecar`). In a pod without sidecar a cluster IP
  is swapped for one of the Service's endpoints, as kube-proxy does.

Nothing in it depends on what the host does with packets, or on whether it has a network.

IPv4 only: a name never resolves to an IPv6 address, so no program tries one. It imports nothing of
labkit, for it lives in other programs' processes.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import weakref
from typing import Any

import labkit_ports  # type: ignore[import-not-found]  # of labkit.embedded.low_ports, on PYTHONPATH as well
import labkit_sidecar  # type: ignore[import-not-found]  # beside this file, once that is on PYTHONPATH

_PLACE = json.loads(os.environ.get("LABKIT_POD_NETWORK", "null"))
_LOCAL = ("127.0.0.1", "localhost")
_ANY = ("", "0.0.0.0")
_NODE_SECONDS = 5.0  # the node is on this machine: longer means that it hangs
_IP_BIND_ADDRESS_NO_PORT = 24  # Linux: choose the port at connect, so that ports can be shared

_connect = socket.socket.connect
_bind = socket.socket.bind
_listen = socket.socket.listen
_getaddrinfo = socket.getaddrinfo
_opened: dict[int, int] = {}
"""What this process has opened at another port: where → what it meant."""
_local: weakref.WeakSet[socket.socket] = weakref.WeakSet()
"""What it has bound to the pod's ``localhost``."""


def _ask(*question: str) -> list[str]:
    """One question to the node; an empty answer where the node does not answer."""
    with socket.socket(socket.AF_UNIX) as node:
        node.settimeout(_NODE_SECONDS)
        try:
            _connect(node, _PLACE["socket"])
            node.sendall(" ".join(question).encode() + b"\n")
            with node.makefile("rb") as answer:
                return answer.readline().decode().split()
        except OSError:
            return []


def _is_address(host: str) -> bool:
    try:
        socket.inet_aton(host)
    except OSError:
        return ":" in host
    return True


def getaddrinfo(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> Any:
    """As ``socket.getaddrinfo``, in the pod's network."""
    name = host.decode() if isinstance(host, bytes) else host
    if name == "::" and flags & socket.AI_PASSIVE:
        name = None
    if family == socket.AF_INET6 and (name is None or not _is_address(name)):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    flags &= ~socket.AI_ADDRCONFIG  # a machine without a network has none to resolve even an address for
    if name == "localhost":
        name = _LOCAL[0]  # whatever the host's own file says
    if name is None or name == "" or _is_address(name):
        return _getaddrinfo(name, port, family or socket.AF_INET, type, proto, flags)
    return _lookup(name, port, type, proto, flags)


def _lookup(name: str, port: Any, type: int, proto: int, flags: int) -> Any:
    match _ask("resolve", _PLACE["namespace"], _PLACE["pod"], name):
        case ["addresses", first, *rest]:
            return [
                found
                for address in (first, *rest)
                for found in _getaddrinfo(address, port, socket.AF_INET, type, proto, flags)
            ]
        case ["host", alias]:
            return _getaddrinfo(alias, port, socket.AF_INET, type, proto, flags)
        case ["addresses"]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


def bind(self: socket.socket, address: Any) -> None:
    """As ``socket.bind``; the pod has one address."""
    if address[0] in (*_LOCAL, "::1"):
        _local.add(self)
    if self.family == socket.AF_INET and address[0] in (*_ANY, *_LOCAL, _PLACE["pod_ip"]):
        address = (_PLACE["app_ip"], _open(address[1]))
    elif self.family == socket.AF_INET6 and address[0] in ("", "::", "::1"):
        self.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        address = (f"::ffff:{_PLACE['app_ip']}", _open(address[1]))
    _bind(self, address)


def _open(port: int) -> int:
    """Where *port* is to be opened."""
    found = int(labkit_ports.moved(port, _PLACE["lowest_port"]))
    if found != port:
        _opened[found] = port
    return found


def listen(self: socket.socket, *backlog: int) -> None:
    """As ``socket.listen``."""
    _listen(self, *backlog)
    if _PLACE["app_ip"] != _PLACE["pod_ip"] and self.family in (socket.AF_INET, socket.AF_INET6):
        host, port = self.getsockname()[:2]
        if host.rpartition(":")[2] == _PLACE["app_ip"] and self not in _local:
            _tell_of(self, port)


def _tell_of(self: socket.socket, port: int) -> None:
    """Let the node know of *port* until *self* is no more, or this process."""
    node = socket.socket(socket.AF_UNIX)
    node.settimeout(_NODE_SECONDS)
    try:
        _connect(node, _PLACE["socket"])
        node.sendall(f"listens {_PLACE['pod_ip']} {port}\n".encode())
    except OSError:
        node.close()
    else:
        weakref.finalize(self, node.close)


def getsockname(self: socket.socket) -> Any:
    """As ``socket.getsockname``."""
    name = labkit_sidecar.getsockname(self)
    if _opened and isinstance(name, tuple) and name[1] in _opened:
        return (name[0], _opened[name[1]], *name[2:])
    return name


def connect(self: socket.socket, address: Any) -> None:
    """As ``socket.connect``, by way of the sidecar or of a Service's endpoint."""
    if self.family != socket.AF_INET or self.type != socket.SOCK_STREAM:
        _connect(self, address)
        return
    host, port = address[0], address[1]
    if not _is_address(host):  # a blocking connect may be given a name
        host = getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)[0][4][0]
    if host in (*_ANY, *_LOCAL, _PLACE["app_ip"]):
        _connect(self, (_PLACE["app_ip"], labkit_ports.moved(port, _PLACE["lowest_port"])))
    elif _PLACE["sidecar"] and _is_captured(host, port):
        labkit_sidecar.connect(self, _PLACE["sidecar"], _PLACE["pod_ip"], (host, port))
    else:
        _directly(self, host, port)


def connect_ex(self: socket.socket, address: Any) -> int:
    """As ``socket.connect_ex``: an error number instead of an exception."""
    try:
        connect(self, address)
    except TimeoutError as error:
        return error.errno or errno.EAGAIN
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def _is_captured(host: str, port: int) -> bool:
    if not _PLACE["outbound_rules"]:
        return True
    import labkit_capture  # type: ignore[import-not-found]  # beside this file; few pods have rules

    return bool(labkit_capture.is_captured(_PLACE["outbound_rules"], host, port))


def _directly(self: socket.socket, host: str, port: int) -> None:
    match _ask("endpoint", host, str(port), _PLACE["pod_ip"], "TCP"):
        case ["to", endpoint, target]:
            host, port = endpoint, int(target)
        case ["refused"]:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
    if host.startswith("127."):
        _come_from_pod(self)
    _connect(self, (host, port))


def _come_from_pod(self: socket.socket) -> None:
    """Let the other end see the pod's address, unless the program chose one."""
    if self.getsockname() == ("0.0.0.0", 0):
        self.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        _bind(self, (_PLACE["pod_ip"], 0))


if _PLACE:
    labkit_sidecar.install(_PLACE["pod_ip"])
    socket.socket.getsockname = getsockname  # type: ignore[method-assign,assignment]
    socket.getaddrinfo = getaddrinfo
    socket.gethostname = lambda: _PLACE["pod"]
    socket.has_ipv6 = False
    socket.socket.bind = bind  # type: ignore[method-assign,assignment]
    socket.socket.listen = listen  # type: ignore[method-assign,assignment]
    socket.socket.connect = connect  # type: ignore[method-assign,assignment]
    socket.socket.connect_ex = connect_ex  # type: ignore[method-assign,assignment]
