"""The seams between the parts of the embedded cluster.

Each part is written against these and knows no other part: the API server implements
:class:`Client`; controllers, node and mesh use it; the node implements :class:`PodRuntime`
and is given :class:`AccountTokens`;
injection and Istio's validation are :data:`AdmissionPlugin` functions. The daemon wires them.

A *resource* is named as kubectl names it: ``pods``, ``deployments.apps``,
``virtualservices.networking.istio.io``. The whole cluster runs on one asyncio loop, so a
synchronous call is atomic: nothing changes between a read and the write that follows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from labkit.embedded.objects import Obj

EVERYTHING = "*"
"""In the place of a resource to watch: all there are, and all that come."""
TMP_FOLDER = "tmp"
"""In a container's own directory: what it has at ``/tmp``."""
VOLUMES_FOLDER = "volumes"
"""Beside the directories of a pod's containers: its volumes, each in a folder of its name."""


@dataclass(frozen=True)
class WatchEvent:
    """One change. ``SYNCED`` closes the objects that were there when the watch began."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "SYNCED"]
    resource: str
    object: Obj
    """The object after the change; for DELETED its last state; empty for SYNCED."""


class Client(Protocol):
    """The API as the cluster's own parts use it: same rules as over HTTP, no HTTP.

    Objects returned are shared: read-only (see :mod:`labkit.embedded.objects`). Every method but
    :meth:`find` raises :class:`labkit.embedded.status.ApiError` for what the API refuses.
    """

    @property
    def revision(self) -> int:
        """The newest resourceVersion in the store."""

    def get(self, resource: str, name: str, namespace: str = "") -> Obj:
        """One object; ApiError 404 where it is not there."""

    def find(self, resource: str, name: str, namespace: str = "") -> Obj | None:
        """As :meth:`get`, with ``None`` for what is not there."""

    def list(
        self, resource: str, namespace: str = "", *, labels: Mapping[str, str] | None = None
    ) -> list[Obj]:
        """All objects, of all namespaces where *namespace* is empty, that have *labels*."""

    def create(self, resource: str, obj: Obj) -> Obj:
        """Make *obj*, as the server completes it; 409 where there is one of its name."""

    def update(self, resource: str, obj: Obj) -> Obj:
        """Replace all but the status; 409 where the object's resourceVersion is given and stale."""

    def update_status(self, resource: str, obj: Obj) -> Obj:
        """Replace the status only."""

    def patch(self, resource: str, name: str, namespace: str, patch: Obj, *, subresource: str = "") -> Obj:
        """JSON merge patch (RFC 7386)."""

    def delete(
        self,
        resource: str,
        name: str,
        namespace: str = "",
        *,
        propagation: str = "Background",
        grace_seconds: int | None = None,
        uid: str = "",
    ) -> None:
        """As DELETE. A pod with a grace period is only marked; its kubelet ends with ``grace_seconds=0``."""

    def finalize_namespace(self, name: str) -> None:
        """Drop the ``kubernetes`` finalizer of an emptied namespace, which removes it."""

    def watch(self, *resources: str) -> AsyncIterator[WatchEvent]:
        """ADDED for all there is, one SYNCED, then every change, in order, without loss."""


@dataclass(frozen=True)
class User:
    """Who sends a request, as authentication and impersonation leave it."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class AdmissionRequest:
    """A write about to happen; ``object`` is a private copy that a plug-in may change."""

    operation: Literal["CREATE", "UPDATE"]
    resource: str
    namespace: str
    object: Obj
    old: Obj | None
    dry_run: bool
    user: User | None = None
    """Who asks over HTTP; None for the cluster's own parts, which are trusted."""
    subresource: str = ""


class NotYet(Exception):  # noqa: N818 - nothing is wrong
    """A controller's write waits for somebody outside; *answered* is done when it is worth trying again."""

    def __init__(self, answered: asyncio.Future[None]) -> None:
        super().__init__("a webhook is being asked")
        self.answered = answered


AdmissionPlugin = Callable[[AdmissionRequest], list[str]]
"""May change ``request.object`` in place; returns warnings for the client; raises ApiError to refuse."""


@dataclass(frozen=True)
class LogOptions:
    """The query of ``GET …/pods/NAME/log``."""

    container: str = ""
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    since_seconds: int | None = None
    since_time: str = ""
    limit_bytes: int | None = None


@dataclass(frozen=True)
class TcpAddress:
    """Where a pod's port really listens."""

    host: str
    port: int


@dataclass(frozen=True)
class UnixAddress:
    """A pod's port that is kept off the network (Envoy's admin, istiod's debug port)."""

    path: Path


@dataclass(frozen=True)
class ExecOptions:
    """The query of ``…/pods/NAME/exec`` and ``attach``."""

    container: str
    command: Sequence[str] = ()
    """Empty for attach."""
    stdin: bool = False
    """Whether there is anybody to write its input; without, it is at its end from the start."""
    tty: bool = False
    """One terminal in place of three pipes: what goes to stderr comes out of stdout, too."""


Send = Callable[[Literal["stdout", "stderr"], bytes], Awaitable[None]]
"""Passes a process's output on; it does not return before more can be taken."""


class ExecSession(Protocol):
    """A process in a container that works for one client, or a look at the container's own."""

    async def start(self) -> None:
        """Start it; ApiError where that fails, for the client to read on its error channel."""

    async def run(self, send: Send) -> int:
        """Pass all output on, to the end; the exit code."""

    async def feed(self, data: bytes) -> None:
        """Write to its standard input; ``b""`` ends the input."""

    def resize(self, columns: int, rows: int) -> None:
        """Tell its terminal the size of the client's window."""

    async def close(self) -> None:
        """End what still runs, and all that it has started."""


@dataclass(frozen=True)
class Usage:
    """What a group of processes uses."""

    cpu: float
    """Cores, over the last *window* seconds."""
    memory: int
    """Bytes."""
    window: float


class PodRuntime(Protocol):
    """What the API server asks of the node."""

    def logs(self, namespace: str, pod: str, options: LogOptions) -> AsyncIterator[bytes]:
        """The bytes of a container's log; ApiError 400/404 before the first byte where there is none."""

    def dial(self, namespace: str, pod: str, port: int) -> TcpAddress | UnixAddress:
        """Where to connect for ``pods/NAME:PORT/proxy``; ApiError 404/503 where nothing listens."""

    def inside(self, namespace: str, pod: str, port: int) -> Sequence[TcpAddress | UnixAddress]:
        """What ``localhost:PORT`` means inside the pod: places to try in this order, for port-forward."""

    def exec(self, namespace: str, pod: str, options: ExecOptions) -> ExecSession:
        """A command to be started in a container; ApiError where the container does not run."""

    def attach(self, namespace: str, pod: str, options: ExecOptions) -> ExecSession:
        """The output of a container's own process from now on; ApiError as :meth:`exec`."""

    def usage(self, namespace: str, pod: str) -> Mapping[str, Usage]:
        """What each container that is a process uses, by name; empty where none is at work here."""

    def node_usage(self, node: str) -> Usage | None:
        """What all processes of the cluster use together; None where *node* is not this one."""


class AccountTokens(Protocol):
    """Who issues tokens of ServiceAccounts, which the node puts into pods' volumes."""

    def request(self, namespace: str, account: str, request: Obj) -> Obj:
        """The TokenRequest *request* for *account*, with its answer in its status; ApiError."""


class BuiltinContainer(Protocol):
    """A container that runs inside the daemon (istiod), with a process's life: start, log, stop."""

    async def run(self, pod: Obj, log: Callable[[str], None], ready: Callable[[bool], None]) -> int:
        """Run until cancelled; the return value is the exit code. *log* writes a line of its log."""

    def dial(self, port: int) -> UnixAddress | None:
        """Where *port* of this container listens, if it does."""


@dataclass(frozen=True)
class Launch:
    """What an image's entry is told about the container it shall describe."""

    pod: Obj
    container: Obj
    """The container's entry in the pod's spec."""
    run_dir: Path
    """The container's own directory: its working directory, short enough for Unix sockets."""
    pod_ip: str
    app_ip: str
    """Where the pod's app listens: behind the sidecar :func:`addresses.app_address`, else ``pod_ip``."""
    environment: Mapping[str, str]
    """The container's ``env`` with references resolved and ``$(VAR)`` expanded."""


@dataclass(frozen=True)
class ProcessCommand:
    """A component as data: everything needed to start one process."""

    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to what every container gets."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Written into the run directory before the start: name → content."""
    directory: Path | None = None
    """The working folder of the image; without, the container's own."""
    unix_ports: Mapping[int, Path] = field(default_factory=dict)
    """Ports that listen on a Unix socket (Envoy's admin: ``{15000: run_dir / "admin.sock"}``)."""
    programs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Commands that only this container has, found on its PATH: name → what it stands for."""
    folders: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Folders of the image, which the container has to itself: path → name → content."""
    drain: Callable[[], Awaitable[None]] | None = None
    """Awaited when the pod is to stop, *before* any of its processes gets SIGTERM; bounds itself (5 s)."""
