"""Which files a proxy opens because a manifest names them: its own container's, and no other of the host's.

A proxy is a process of the learner's with the host's file system around it. What a manifest names (access
logs, Unix sockets) means, as in a real pod, the container's own: its streams, its ``/tmp``, and the volumes
mounted into it that can be written. Envoy runs in its container's folder, and finds them from there. Folders
below those are not known to be there when it starts; without one it would refuse all of its listener.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator

from labkit.embedded.interfaces import TMP_FOLDER, VOLUMES_FOLDER
from labkit.embedded.mesh.pods import proxy_container_of
from labkit.embedded.objects import Obj

UNIX = "unix://"
"""How an address begins that is a Unix socket's."""
STREAMS = ("/dev/stdout", "/dev/stderr", "/dev/null")
_TMP = "/tmp"


def place(path: str, pod: Obj | None = None) -> str | None:
    """Where the proxy of *pod* finds *path*; None where its container has no such file that it may write.

    Without *pod*: what every proxy has.
    """
    if path in STREAMS:
        return path
    folder, name = posixpath.split(path)
    if not name or not path.startswith("/") or posixpath.normpath(path) != path or not path.isprintable():
        return None
    own = next((found for target, found in _volumes(pod or {}) if target == folder), None)
    if own is None and folder == _TMP:
        own = TMP_FOLDER
    return None if own is None else f"{own}/{name}"


def socket_place(address: str, pod: Obj | None = None) -> str | None:
    """As :func:`place`, of the socket that *address* (``unix://…``) names."""
    path = address.removeprefix(UNIX)
    return None if path in STREAMS else place(path, pod)


def _volumes(pod: Obj) -> Iterator[tuple[str, str]]:
    """(where, folder) of those that the proxy may write."""
    volumes = {str(each.get("name")): each for each in (pod.get("spec") or {}).get("volumes") or []}
    for mount in (proxy_container_of(pod) or {}).get("volumeMounts") or []:
        volume = volumes.get(str(mount.get("name"))) or {}
        if "emptyDir" in volume and not mount.get("readOnly") and not mount.get("subPathExpr"):
            part = os.path.normpath(f"../{VOLUMES_FOLDER}/{mount['name']}/{mount.get('subPath') or ''}")
            yield posixpath.normpath(str(mount.get("mountPath") or "")), part
