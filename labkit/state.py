"""The state folder, where labkit keeps what outlives a process: for its owner's eyes alone.

``LABKIT_HOME`` names it; by default it is ``$XDG_STATE_HOME/labkit``, that is ``~/.local/state/labkit``
(https://specifications.freedesktop.org/basedir-spec/latest/).
"""

from __future__ import annotations

import os
from pathlib import Path


def users_folder() -> Path:
    """``$XDG_STATE_HOME``, or ``~/.local/state``."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")


def folder() -> Path:
    """The state folder, which may not be there yet."""
    chosen = os.environ.get("LABKIT_HOME")
    return (Path(chosen).expanduser() if chosen else users_folder() / "labkit").absolute()


def write(path: Path, text: str) -> None:
    """Make the file *path* with *text* in it; it, and folders made for it, are their owner's alone."""
    for missing in reversed([one for one in path.parents if not one.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
