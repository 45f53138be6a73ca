"""The image of the book's services, built from its Containerfile by ``buildah``.

Its base, an image with a Python, can't be had without a registry: one made of this machine's Python stands
for it. All else is what the Containerfile says.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .images import install, libraries, pack
from .programs import cache

ROOT = Path(__file__).parents[3]
CONTAINERFILE = ROOT / "labkit" / "services" / "Containerfile"
PREFIX = "labkit.test/"
"""What `--image-prefix` is told."""
NAME = f"{PREFIX}labkit-services:latest"
_BASE = "labkit.test/python:1"
_TOOLS = ("sh", "env", "ls", "cat", "mkdir", "rm")
_LEFT_OUT = shutil.ignore_patterns(
    "site-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip", "config-*",
    "__pycache__", "*.a", "pkgconfig",
)  # fmt: skip


def image() -> Path:
    """The archive of the image, as it was built from these sources."""
    archive = cache() / f"services-{_digest()}.tar"
    if not archive.is_file():
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=archive.parent) as half:
            _build(Path(half)).rename(archive)
    return archive


def _digest() -> str:
    sources = sorted((ROOT / "labkit" / "services").glob("*"))
    content = b"".join(each.read_bytes() for each in sources if each.is_file())
    return hashlib.sha256(content + platform.python_version().encode()).hexdigest()[:12]


def _build(work: Path) -> Path:
    """By a buildah whose images are all in *work*."""
    built = work / "services.tar"
    _buildah(work, "pull", f"oci-archive:{_base(work)}")
    # The steps reach the package index as this machine does.
    seen = ["/etc/ssl/certs", "/etc/pip.conf", "/etc/resolv.conf"]
    volumes = [f"--volume={each}:{each}:ro" for each in seen if Path(each).exists()]
    how = ["--isolation=chroot", "--network=host", f"--from={_BASE}", "--pull-never", *volumes]
    _buildah(work, "bud", *how, f"--file={CONTAINERFILE}", f"--tag={NAME}", str(ROOT))
    _buildah(work, "push", NAME, f"oci-archive:{built}:{NAME}")
    return built


def _buildah(work: Path, *words: str) -> None:
    where = [f"--root={work / 'images'}", f"--runroot={work / 'run'}", "--storage-driver=vfs"]
    policy = work / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    verb, *rest = words
    signed = [f"--signature-policy={policy}"] if verb in ("pull", "push", "bud") else []
    command = ["buildah", *where, verb, *signed, *rest]
    done = subprocess.run(command, env=os.environ | {"TMPDIR": str(work)}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _base(work: Path) -> Path:
    """An image with this Python at its place, pip, and a shell."""
    root, prefix = work / "base", Path(sys.base_prefix)
    inside = root / str(prefix).removeprefix("/")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = Path("lib") / version
    shutil.copytree(prefix / library, inside / library, ignore=_LEFT_OUT)
    pip = next((prefix / library / "site-packages").glob("pip"))
    shutil.copytree(
        pip, inside / library / "site-packages" / "pip", ignore=shutil.ignore_patterns("__pycache__")
    )
    install(root, {f"{prefix}/bin/python3": prefix / "bin" / version})
    for needed in libraries((prefix / library / "lib-dynload").glob("*.so")):
        install(root, {str(needed): needed})
    install(root, {f"/bin/{tool}": shutil.which(tool) or tool for tool in _TOOLS})
    _make_commands(root / "usr" / "local" / "bin", prefix)
    (root / "tmp").mkdir(mode=0o1777)
    return pack(root, _BASE, work / "base.tar", Env=["PATH=/usr/local/bin:/usr/bin:/bin"])


def _make_commands(folder: Path, prefix: Path) -> None:
    folder.mkdir(parents=True)
    for name in ("python", "python3"):
        (folder / name).symlink_to(prefix / "bin" / "python3")
    (folder / "pip").write_text('#!/bin/sh\nexec python -m pip "$@"\n')
    (folder / "pip").chmod(0o755)
