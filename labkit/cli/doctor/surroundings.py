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
from labkit.language import gettext

FILES_NEEDED = 256
"""Open files: the daemon holds about a hundred, with a connection of every proxy and client."""
TEMPORARY_NEEDED = 50
"""MB in the folder of temporary files."""
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def _proxies() -> Iterator[Finding]:
    named = [name for name in _PROXIES if os.environ.get(name) or os.environ.get(name.lower())]
    if named:
        told = gettext("{names}: set, and not used for addresses of this machine", names=", ".join(named))
        yield Finding(told, True)
    asks_proxy = next(filter(None, map(os.environ.get, ("http_proxy", "ALL_PROXY", "all_proxy"))), "")
    exempt = next(filter(None, map(os.environ.get, ("no_proxy", "NO_PROXY"))), "")
    if asks_proxy and not {"*", "127.0.0.0/8"} & {entry.strip() for entry in exempt.split(",")}:
        remedy = gettext(
            "`curl` in a terminal would ask it for the gateway: export no_proxy=127.0.0.0/8,localhost"
        )
        told = gettext("{proxy} is everybody's proxy in this shell", proxy=asks_proxy)
        yield Finding(told, False, remedy, needed=False)


def _kubectl() -> Iterator[Finding]:
    from labkit.kube import embedded

    chosen = os.environ.get("KUBECONFIG", "")
    usual = Path("~/.kube/config").expanduser()
    if not shutil.which("kubectl") or chosen == str(embedded.kubeconfig()):
        return
    other = chosen or (str(usual) if usual.exists() else "")
    if other:
        remedy = gettext('to talk to the lab\'s type: export KUBECONFIG="$(labkit kubeconfig)"')
        told = gettext("kubectl in this shell goes by {file}", file=other)
        yield Finding(told, False, remedy, needed=False)


def _localhost() -> Iterator[Finding]:
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo("localhost", None, socket.AF_INET)}
    except OSError:
        found = set()
    remedy = gettext("browsers may not find JupyterLab there; add `127.0.0.1 localhost` to /etc/hosts.")
    yield Finding(gettext("localhost is 127.0.0.1"), "127.0.0.1" in found, remedy, needed=False)


def _limits() -> Iterator[Finding]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES_NEEDED:
        remedy = gettext(
            "{needed} are needed; the hard limit (`ulimit -Hn`) is set in /etc/security/limits.conf.",
            needed=FILES_NEEDED,
        )
        yield Finding(gettext("{number} open files at most", number=hard), False, remedy)


def _temporary() -> Iterator[Finding]:
    folder = Path(tempfile.gettempdir())
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(b"x" * 4096)
            file.flush()
        free = shutil.disk_usage(folder).free // 1_000_000
    except OSError as error:
        remedy = gettext("{problem}; set TMPDIR to another folder.", problem=error.strerror)
        yield Finding(gettext("temporary files in {folder}", folder=folder), False, remedy)
        return
    remedy = gettext(
        "{needed} MB are needed; free some space, or set TMPDIR to another folder.", needed=TEMPORARY_NEEDED
    )
    room = gettext("{free} MB free in {folder}", free=free, folder=folder)
    yield Finding(room, free >= TEMPORARY_NEEDED, remedy)


def _runtime() -> Iterator[Finding]:
    from labkit.kube import embedded

    folder = embedded.sockets()
    if folder.exists() and (folder.is_symlink() or folder.stat().st_uid != os.getuid()):
        remedy = gettext("it is somebody else's; set LABKIT_HOME to a short path.")
        yield Finding(gettext("{folder} for sockets", folder=folder), False, remedy)
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and not os.access(runtime, os.W_OK | os.X_OK):
        remedy = gettext("there is no such folder of yours; unset it (JupyterLab would stumble over it).")
        yield Finding(f"XDG_RUNTIME_DIR={runtime}", False, remedy, needed=False)


def _modules() -> Iterator[Finding]:
    for name in ("ssl", "sqlite3", "ctypes"):
        if _is_missing(name):
            remedy = gettext("{python} was built without it; use another.", python=sys.executable)
            yield Finding(gettext("Python's module {name}", name=name), False, remedy)
    if sys.prefix == sys.base_prefix and importlib.util.find_spec("ensurepip") is None:
        remedy = gettext(
            "`python3 -m venv` fails without it (Debian, Ubuntu: `apt-get install python3-venv`)."
        )
        yield Finding(gettext("Python's module {name}", name="ensurepip"), False, remedy, needed=False)


def _is_missing(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:  # also of the C library it stands on
        return True
    return False


def _other_labkit() -> Iterator[Finding]:
    ours, found = Path(sys.executable).with_name("labkit"), shutil.which("labkit")
    if found and ours.exists() and not Path(found).samefile(ours):
        remedy = gettext(
            "another than this one, which is {ours}; terminals and notebooks may take the wrong one.",
            ours=ours,
        )
        yield Finding(gettext("`labkit` is {path}", path=found), False, remedy, needed=False)


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
