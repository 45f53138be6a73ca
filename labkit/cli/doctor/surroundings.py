"""What commonly gets in the way and can be seen without root: the shell's settings, limits, names."""

from __future__ import annotations

import importlib.util
import os
import resource
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from labkit.cli.doctor.findings import Finding

FILES_NEEDED = 256
"""Open files: the daemon holds about a hundred, with a connection of every proxy and client."""
TEMPORARY_NEEDED = 50
"""MB in the folder of temporary files."""
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def _proxies() -> Iterator[Finding]:
    named = [name for name in _PROXIES if os.environ.get(name) or os.environ.get(name.lower())]
    if named:
        yield Finding(f"{', '.join(named)}: set, and not used for addresses of this machine", True)
    asks_proxy = next(filter(None, map(os.environ.get, ("http_proxy", "ALL_PROXY", "all_proxy"))), "")
    exempt = next(filter(None, map(os.environ.get, ("no_proxy", "NO_PROXY"))), "")
    if asks_proxy and not {"*", "127.0.0.0/8"} & {entry.strip() for entry in exempt.split(",")}:
        remedy = "`curl` in a terminal would ask it for the gateway: export no_proxy=127.0.0.0/8,localhost"
        yield Finding(f"{asks_proxy} is everybody's proxy in this shell", False, remedy, needed=False)


def _kubectl() -> Iterator[Finding]:
    from labkit.kube import embedded

    chosen = os.environ.get("KUBECONFIG", "")
    usual = Path("~/.kube/config").expanduser()
    if not shutil.which("kubectl") or chosen == str(embedded.kubeconfig()):
        return
    other = chosen or (str(usual) if usual.exists() else "")
    if other:
        remedy = 'to talk to the lab\'s type: export KUBECONFIG="$(labkit kubeconfig)"'
        yield Finding(f"kubectl in this shell goes by {other}", False, remedy, needed=False)


def _localhost() -> Iterator[Finding]:
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo("localhost", None, socket.AF_INET)}
    except OSError:
        found = set()
    remedy = "browsers may not find JupyterLab there; add `127.0.0.1 localhost` to /etc/hosts."
    yield Finding("localhost is 127.0.0.1", "127.0.0.1" in found, remedy, needed=False)


def _limits() -> Iterator[Finding]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES_NEEDED:
        remedy = (
            f"{FILES_NEEDED} are needed; the hard limit (`ulimit -Hn`) is set in /etc/security/limits.conf."
        )
        yield Finding(f"{hard} open files at most", False, remedy)


def _temporary() -> Iterator[Finding]:
    folder = Path(tempfile.gettempdir())
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(b"x" * 4096)
            file.flush()
        free = shutil.disk_usage(folder).free // 1_000_000
    except OSError as error:
        yield Finding(
            f"temporary files in {folder}", False, f"{error.strerror}; set TMPDIR to another folder."
        )
        return
    remedy = f"{TEMPORARY_NEEDED} MB are needed; free some space, or set TMPDIR to another folder."
    yield Finding(f"{free} MB free in {folder}", free >= TEMPORARY_NEEDED, remedy)


def _runtime() -> Iterator[Finding]:
    from labkit.kube import embedded

    folder = embedded.sockets()
    if folder.exists() and (folder.is_symlink() or folder.stat().st_uid != os.getuid()):
        yield Finding(
            f"{folder} for sockets", False, "it is somebody else's; set LABKIT_HOME to a short path."
        )
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and not os.access(runtime, os.W_OK | os.X_OK):
        remedy = "there is no such folder of yours; unset it (JupyterLab would stumble over it)."
        yield Finding(f"XDG_RUNTIME_DIR={runtime}", False, remedy, needed=False)


def _modules() -> Iterator[Finding]:
    for name in ("ssl", "sqlite3", "ctypes"):
        if _is_missing(name):
            yield Finding(
                f"Python's module {name}", False, f"{sys.executable} was built without it; use another."
            )
    if sys.prefix == sys.base_prefix and importlib.util.find_spec("ensurepip") is None:
        remedy = "`python3 -m venv` fails without it (Debian, Ubuntu: apt-get install python3-venv)."
        yield Finding("Python's module ensurepip", False, remedy, needed=False)


def _is_missing(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:  # also of the C library it stands on
        return True
    return False


def _other_labkit() -> Iterator[Finding]:
    ours, found = Path(sys.executable).with_name("labkit"), shutil.which("labkit")
    if found and ours.exists() and not Path(found).samefile(ours):
        remedy = f"another than this one, which is {ours}; terminals and notebooks may take the wrong one."
        yield Finding(f"`labkit` is {found}", False, remedy, needed=False)


SURROUNDINGS: list[Callable[[], Iterator[Finding]]] = [
    _proxies,
    _kubectl,
    _localhost,
    _limits,
    _temporary,
    _runtime,
    _modules,
    _other_labkit,
]
