"""An image with a Python, made of this machine's: stands for Docker Hub's `python` without a registry."""

import importlib.resources
import shutil
import sys
from pathlib import Path

from .images import install, libraries

ENV = ["PATH=/usr/local/bin:/usr/bin:/bin"]
_TOOLS = ("sh", "env", "ls", "cat", "mkdir", "rm")
_USUAL = ("libgcc_s.so.1", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1")
"""Libraries of every Debian, which packages with programs of their own may load."""
_LEFT_OUT = shutil.ignore_patterns(
    "site-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip", "config-*",
    "dist-packages", "EXTERNALLY-MANAGED", "__pycache__", "*.a", "pkgconfig",
)  # fmt: skip


def make_base(root: Path) -> Path:
    """Put this Python at its place into *root*, and pip, and a shell; *root*."""
    prefix = Path(sys.base_prefix)
    inside = root / str(prefix).removeprefix("/")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = Path("lib") / version
    shutil.copytree(prefix / library, inside / library, ignore=_LEFT_OUT)
    pip = Path(str(importlib.resources.files("pip")))
    shutil.copytree(pip, inside / library / "pip", ignore=shutil.ignore_patterns("__pycache__"))
    install(root, {f"{prefix}/bin/python3": prefix / "bin" / version})
    usual = {file for name in _USUAL for file in Path("/usr/lib").glob(f"*-linux-gnu/{name}")}
    for needed in usual | libraries((prefix / library / "lib-dynload").glob("*.so")):
        install(root, {str(needed): needed})
    install(root, {f"/bin/{tool}": shutil.which(tool) or tool for tool in _TOOLS})
    _make_commands(root / "usr" / "local" / "bin", prefix)
    (root / "tmp").mkdir(mode=0o1777)
    return root


def _make_commands(folder: Path, prefix: Path) -> None:
    folder.mkdir(parents=True)
    for name in ("python", "python3"):
        (folder / name).symlink_to(prefix / "bin" / "python3")
    (folder / "pip").write_text('#!/bin/sh\nexec python -m pip "$@"\n')
    (folder / "pip").chmod(0o755)
