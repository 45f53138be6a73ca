"""The embedded cluster, for those who talk to a Kubernetes API: find, start and stop it.

The one module outside :mod:`labkit.embedded` that knows it. What it hands out is a kubeconfig.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.errors import NotRunning
from labkit.language import gettext
from labkit.platforms import unsupported

if TYPE_CHECKING:
    from labkit.embedded.cluster.home import Home
    from labkit.embedded.cluster.launch import Running


def home() -> Path:
    """The state folder: ``LABKIT_HOME``, or the default one."""
    from labkit.embedded.cluster.home import Home

    return Home.current().root


def kubeconfig(home: Path | None = None) -> Path:
    """Where the kubeconfig of *home* (default: the current one) is, or will be once it was started."""
    return _home(home).kubeconfig


def _home(root: Path | None) -> Home:
    from labkit.embedded.cluster.home import Home

    return Home(root) if root else Home.current()


def use_namespace(namespace: str) -> None:
    """Have the kubeconfig's context name *namespace*, unless it has chosen one."""
    from labkit.embedded.cluster import kubeconfig as file

    file.use_namespace(kubeconfig(), namespace)


def sockets() -> Path:
    """Where the cluster's sockets are, or will be: not in the home where their paths would be too long."""
    from labkit.embedded.cluster.home import Home

    return Home.current().run_folder()


def envoy_path() -> Path:
    """The Envoy that proxies are started from; FileNotFoundError where there is none."""
    from labkit.embedded.mesh.bootstrap import envoy_path

    return envoy_path()


def why_not_in_pods() -> tuple[str, str]:
    """Why programs in pods get no network here, unless they are Python, and why no files of their own.

    Each empty where they do.
    """
    from labkit.embedded.node.inside import start

    return start.why_not()


_offered: set[str] = set()


def offer(environment: MutableMapping[str, str]) -> None:
    """Have the ``kubectl`` of a notebook's *environment* use the embedded cluster.

    Only where nobody has set ``KUBECONFIG``: a cell's ``!kubectl get pods`` is about the lab.
    """
    chosen = environment.get("KUBECONFIG", "")
    if not chosen or is_offered(chosen):
        environment["KUBECONFIG"] = str(kubeconfig())
        _offered.add(environment["KUBECONFIG"])


def is_offered(chosen: str) -> bool:
    """Whether *chosen* is a ``KUBECONFIG`` of ours, not of whoever started this process."""
    return chosen in _offered


def running(home: Path | None = None) -> Running | None:
    """What the running daemon says about itself, or ``None`` where none runs. NotRunning on no Linux."""
    _on_linux()
    from labkit.embedded.cluster import launch

    return launch.find(_home(home))


def _on_linux() -> None:
    if refusal := unsupported():
        raise NotRunning(refusal)


def last_failure() -> str:
    """What the daemon stopped of, where it did not stop because it was told to; or nothing."""
    from labkit.embedded.cluster import logs
    from labkit.embedded.cluster.home import Home

    last = logs.last_lines(Home.current().log, 1)
    return last[0].removeprefix("error: cluster: ") if last and last[0].startswith("error: cluster: ") else ""


def find() -> Path:
    """The kubeconfig of the running cluster; raises NotRunning where none runs."""
    if why := hindrance():
        raise NotRunning(why)
    if running() is None:
        raise NotRunning(gettext("No cluster runs in {home}; start it with `labkit up`.", home=home()))
    return kubeconfig()


def start(
    home: Path | None = None,
    *,
    fresh: bool = False,
    owner: int | None = None,
    say: Callable[[str], None] = lambda _: None,
    meanwhile: Callable[[], None] = lambda: None,
) -> Running:
    """Start the cluster, or find it running; back when its API answers. Raises StartFailed, NotRunning.

    home: its state folder, by default the current one.
    fresh: begin an empty one (the state before is kept aside).
    owner: a process with which it ends, even where that is killed.
    say: hears what keeps it waiting.
    meanwhile: is done while it starts.
    """
    _on_linux()
    from labkit.embedded.cluster import launch

    return launch.start(_home(home), fresh=fresh, owner=owner, say=say, meanwhile=meanwhile)


def hindrance() -> str:
    """Why the daemon that has this home can't be talked to, though it lives; or nothing."""
    from labkit.embedded.cluster import ending
    from labkit.embedded.cluster.home import Home
    from labkit.embedded.cluster.lock import is_locked

    home = Home.current()
    return ending.hindrance(home) if is_locked(home.lock) else ""


def notes() -> list[str]:
    """What the last start found wrong with the cluster's files, and mended or kept aside: sentences."""
    from labkit.embedded.cluster import notes
    from labkit.embedded.cluster.home import Home

    return notes.read(Home.current().notes)


def kept_aside() -> list[str]:
    """What could not be used any more and still lies in the home's folder ``aside``: ``FILE: why``."""
    from labkit.embedded.cluster.home import Home
    from labkit.embedded.store.aside import Aside

    return Aside(Home.current().root).kept()


def find_or_start() -> Path:
    """The kubeconfig of the cluster, which is started where it does not run."""
    start()
    return kubeconfig()


def stop(*, say: Callable[[str], None] = lambda _: None) -> bool:
    """Stop the cluster and all it started; whether there was one. What was applied is kept."""
    from labkit.embedded.cluster import launch
    from labkit.embedded.cluster.home import Home

    return launch.stop(Home.current(), say=say)


def known_homes() -> dict[Path, bool]:
    """Every home on this user's record, and whether a cluster runs there."""
    from labkit.embedded.cluster import launch
    from labkit.embedded.cluster.home import known_homes

    return {home.root: launch.find(home) is not None for home in known_homes()}


def remove(path: Path) -> None:
    """Stop the cluster of the home at *path*, and remove its files and the record of it."""
    from labkit.embedded.cluster import launch
    from labkit.embedded.cluster.home import Home

    launch.stop(Home(path))
    Home(path).remove()


@dataclass(frozen=True)
class KnownImage:
    """An image that pods can name."""

    name: str
    what: str
    programs: tuple[str, ...]
    """What it runs and what else is in it."""


def images() -> list[KnownImage]:
    """Every image the embedded cluster knows by itself."""
    from labkit.embedded.images import programs

    return [KnownImage(name, one.what, tuple(one.commands)) for name, one in sorted(programs().items())]


def memory() -> list[tuple[str, int]]:
    """The running cluster's processes, each with its program's name and its memory in bytes (PSS)."""
    from labkit.embedded.cluster import processes

    found = running()
    return [(name, processes.memory(pid)) for pid, name in processes.of(found.pid).items()] if found else []


def disk_usage() -> int:
    """Bytes of the home's files; of a cluster at work some may go while they are counted."""
    found = 0
    for folder, _, names in os.walk(home()):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                found += (Path(folder) / name).lstat().st_size
    return found
