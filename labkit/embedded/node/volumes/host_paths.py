"""Volumes of kind ``hostPath``: a file or folder of this machine, which the account of the cluster may use.

Source of the checks and their words: ``pkg/volume/hostpath`` of Kubernetes.
"""

from __future__ import annotations

from pathlib import Path

from labkit.embedded.node.volumes.volume_content import MountError
from labkit.embedded.objects import Obj

_CHECKS = {
    "Directory": (Path.is_dir, "a directory"),
    "File": (Path.is_file, "a file"),
    "Socket": (Path.is_socket, "a socket"),
    "CharDevice": (Path.is_char_device, "a character device"),
    "BlockDevice": (Path.is_block_device, "a block device"),
}


def place(given: Obj) -> Path:
    """Where it is, made where it may be; MountError where it is not what it should be, or out of reach."""
    found, kind = Path(str(given.get("path") or "/")), str(given.get("type") or "")
    try:
        _make(found, kind)
        wanted = kind.removesuffix("OrCreate")
        if wanted in _CHECKS and not _CHECKS[wanted][0](found):
            raise MountError(f"hostPath type check failed: {found} is not {_CHECKS[wanted][1]}")
    except OSError as error:
        raise MountError(f"{found}: {(error.strerror or str(error)).lower()}") from error
    return found


def _make(found: Path, kind: str) -> None:
    if kind in ("", "DirectoryOrCreate") and not found.exists():
        found.mkdir(parents=True)
    elif kind == "FileOrCreate" and not found.exists():
        found.touch()
