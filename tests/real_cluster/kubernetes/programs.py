"""The programs of a Kubernetes: Debian's where it has them, the rest built from the public Go modules.

What was built is kept in ``$LABKIT_KUBERNETES_CACHE`` (default: ``labkit/kubernetes`` in the user's cache
folder), by the sources it was built from. The first time takes about six minutes of CPU.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

COMPONENTS = Path(__file__).parent / "components"
VERSION = "v1.34.2"
PARTS = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet")
DEBIAN = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "etcd": "etcd-server",
    "ip": "iproute2",
    "iptables": "iptables",
    "kubectl": "kubernetes-client",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}
"""Program → Debian's package."""
CNI = Path("/usr/lib/cni")
_TARGETS = {
    "kubernetes": ("kubernetes", "."),
    "pause": ("kubernetes", "./pause"),
    "coredns": ("coredns", "."),
}
"""Program → (module, package)."""


def missing() -> list[str]:
    """Debian's packages that are not there, and ``go`` where something has to be built."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    found = {package for program, package in DEBIAN.items() if not shutil.which(program, path=path)}
    found |= set() if (CNI / "ptp").exists() else {"containernetworking-plugins"}
    needs_go = not _cached().is_dir() and not shutil.which("go")
    return sorted(found) + (["golang (the newest)"] if needs_go else [])


def programs() -> Path:
    """The folder with all of them, each part of Kubernetes under its own name; built if need be."""
    folder = _cached()
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as half:
            _build(Path(half) / "new")
            (Path(half) / "new").rename(folder)
    return folder


def cache() -> Path:
    """Where what was built is kept."""
    named = os.environ.get("LABKIT_KUBERNETES_CACHE")
    user = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(named) if named else Path(user) / "labkit" / "kubernetes"


def _cached() -> Path:
    sources = sorted(each for each in COMPONENTS.rglob("*") if each.suffix in (".go", ".mod", ".sum"))
    digest = hashlib.sha256(b"".join(each.read_bytes() for each in sources)).hexdigest()
    return cache() / f"{VERSION}-{digest[:12]}"


def _build(folder: Path) -> None:
    print(f"Building Kubernetes {VERSION} once, which takes minutes …", flush=True)
    major, minor, _ = VERSION.removeprefix("v").split(".")
    said = {"gitVersion": VERSION, "gitMajor": major, "gitMinor": minor}
    version = " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in said.items())
    for program, (module, package) in _TARGETS.items():
        command = [
            "go",
            "build",
            "-trimpath",
            "-ldflags",
            f"-s -w {version}",
            "-o",
            folder / program,
            package,
        ]
        subprocess.run(command, cwd=COMPONENTS / module, env=os.environ | {"CGO_ENABLED": "0"}, check=True)
    for part in PARTS:
        (folder / part).symlink_to("kubernetes")
