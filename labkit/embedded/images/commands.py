"""The commands that images hold: the machine's own where it has them, else small ones of ours."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

from labkit.embedded.images.program import HOST_PATH

OURS = ("curl", "nc", "nslookup", "wget")
_ALWAYS = ("nc", "wget")
"""The images have busybox's, which end otherwise and take other options than those of most machines."""


def lesson(name: str, *words: str) -> list[str]:
    """A program of ``labkit/lessons``, to be started by this Python."""
    return [sys.executable, "-m", "labkit.lessons", name, *words]


def commands(*names: str) -> dict[str, Sequence[str]]:
    """Of the commands called *names* those of ours that this machine has not, or has another kind of."""
    return {
        name: lesson(name) for name in names if name in _ALWAYS or (name in OURS and not on_machine(name))
    }


def on_machine(name: str) -> bool:
    """Whether the machine has a program called *name*."""
    return shutil.which(name, path=HOST_PATH) is not None
