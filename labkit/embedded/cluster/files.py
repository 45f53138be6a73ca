"""Files that survive a power cut and are nobody else's to read."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from labkit.errors import ClusterError


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Tell what the system refused in a sentence: disk full, no permission, read-only."""
    try:
        yield
    except OSError as error:
        raise ClusterError(explanation(error, path)) from error


def explanation(error: OSError, path: Path) -> str:
    """The sentence for what the system refused on *path*."""
    place = error.filename or path
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk that holds {path} is full; free some space, then try again."
    return f"{place} can't be used ({error.strerror or error}); set LABKIT_HOME to a folder of yours."


def private_folder(path: Path) -> Path:
    """Make *path* a folder only its owner can enter; refuse one that is somebody else's."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise ClusterError(f"{path} is not a folder of yours; move it away or set LABKIT_HOME.")
    if stat.S_IMODE(found.st_mode) != 0o700:
        path.chmod(0o700)
    return path


def mode_of(path: Path) -> int:
    """The permissions of *path*; 0 where there is nothing."""
    try:
        return stat.S_IMODE(path.lstat().st_mode)
    except OSError:
        return 0


def write_private(path: Path, text: str) -> None:
    """Replace *path* with *text* in one step (0600): a reader sees the old file or the new one, whole."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def open_private(path: Path) -> BinaryIO:
    """*path*, emptied, for writing; nobody else can read it."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(file, 0o600)
    return os.fdopen(file, "wb")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in *path*; empty where there is none, or none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Replace *path* with *data* as JSON (0600)."""
    write_private(path, json.dumps(data, indent=2) + "\n")
