"""A volume's files, changed all at once as the kubelet changes them.

They are in a folder of their own, which the link ``..data`` names; each is seen through a link of its name.
So whoever reads one finds the old or the new, and never half of each.
Source: ``pkg/volume/util/atomic_writer.go`` of Kubernetes.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from labkit.embedded.node.volumes.volume_content import File, MountError

_DATA, _NEXT = "..data", "..data_tmp"
_FOLDER = 0o755
"""All of it is in the pod's folder, into which nobody else gets."""


def is_written(place: Path) -> bool:
    """Whether there is such a volume at *place*."""
    return (place / _DATA).is_symlink()


def write(place: Path, wanted: Mapping[str, File]) -> None:
    """Have *place* hold *wanted*, by path, and nothing else; MountError where a path leaves it."""
    old = (place / _DATA).resolve() if is_written(place) else None
    if old and _content(old) == wanted:
        return
    new = Path(tempfile.mkdtemp(prefix=time.strftime("..%Y_%m_%d_%H_%M_%S."), dir=place))
    new.chmod(_FOLDER)
    for path, file in wanted.items():
        _write(new, path, file)
    (place / _NEXT).symlink_to(new.name)
    (place / _NEXT).replace(place / _DATA)
    _show(place, {path.split("/")[0] for path in wanted})
    if old:
        shutil.rmtree(old)


def _content(folder: Path) -> dict[str, File]:
    files = (each for each in folder.rglob("*") if each.is_file())
    return {str(each.relative_to(folder)): _read(each) for each in files}


def _read(path: Path) -> File:
    mode = stat.S_IMODE(path.stat().st_mode)
    path.chmod(mode | stat.S_IRUSR)  # for the owner to read one that nobody may
    content = path.read_bytes()
    path.chmod(mode)
    return File(content, mode)


def _write(folder: Path, path: str, file: File) -> None:
    place = Path(os.path.normpath(folder / path))
    if not place.is_relative_to(folder):
        raise MountError(f'path "{path}" must not leave the volume')
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(file.content)
    place.chmod(file.mode)


def _show(place: Path, names: set[str]) -> None:
    """Links for *names*, and for no others."""
    for name in names:
        if not (place / name).is_symlink():
            (place / name).symlink_to(f"{_DATA}/{name}")
    for each in place.iterdir():
        if each.is_symlink() and each.name not in {*names, _DATA}:
            each.unlink()
