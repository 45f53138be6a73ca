"""What a home could not use any more, kept for its learner: ``HOME/aside/``, with the reasons beside it.

labkit reads nothing of it again but ``reasons.txt``; whoever needs none of it removes the folder.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path

FOLDER = "aside"
REASONS = "reasons.txt"
_LONGEST = 120  # letters of a name


class Aside:
    """The folder *root*/aside, made when something is first put there."""

    def __init__(self, root: Path) -> None:
        self.folder = root / FOLDER

    def write(self, name: str, content: bytes, why: str) -> Path:
        """Keep *content* under a name like *name*; OSError where the disk takes no more."""
        path = self._free(name)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self._note(path, why)
        return path

    def move(self, path: Path, why: str) -> Path:
        """Keep the file *path* itself, under a name like its own."""
        target = self._free(path.name)
        path.rename(target)
        self._note(target, why)
        return target

    def kept(self) -> list[str]:
        """``FILE: why`` for all that is still there, oldest first."""
        try:
            lines = (self.folder / REASONS).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        return [line for line in lines if (self.folder / line.partition(": ")[0]).exists()]

    def _free(self, name: str) -> Path:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        plain = re.sub(r"[^\w.@-]+", "_", name)[:_LONGEST]
        wanted = self.folder / f"{stamp}-{plain}"
        number = 1
        while wanted.exists():
            number += 1
            wanted = self.folder / f"{stamp}-{number}-{plain}"
        return wanted

    def _note(self, path: Path, why: str) -> None:
        with contextlib.suppress(OSError), (self.folder / REASONS).open("a", encoding="utf-8") as reasons:
            reasons.write(f"{path.name}: {' '.join(why.split())}\n")
