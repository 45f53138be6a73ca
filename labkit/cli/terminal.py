"""The shell of JupyterLab's terminals where it is a login shell, as under a JupyterHub.

A login shell begins with the system's PATH, so `labkit` is not found there, nor what is beside it. After
the login files have been read this takes the shell's place, puts our folder at the end of the PATH, and
gives way to an ordinary interactive shell: ``SHELL -l -c "exec PYTHON -m labkit.cli.terminal SHELL"``.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

_KNOWN = {"sh", "bash", "dash", "ksh", "zsh", "fish"}
"""Shells that take ``-l`` and ``-c`` together."""


def command(ours: Mapping[str, str]) -> list[str] | None:
    """What JupyterLab is to start in its terminals; None where it knows best (another kind of shell)."""
    shell = ours.get("SHELL") or shutil.which("sh") or ""
    if Path(shell).name not in _KNOWN:
        return None
    ourselves = shlex.join([sys.executable, "-m", "labkit.cli.terminal", shell])
    return [shell, "-l", "-c", f"exec {ourselves}"]


def path_with_ours(path: str) -> str:
    """*path*, with the folder of `labkit` at its end: in a venv not activated it is not on it."""
    folder = str(Path(sys.executable).parent)
    return path if folder in path.split(os.pathsep) else f"{path}{os.pathsep}{folder}"


if __name__ == "__main__":
    environment = {**os.environ, "PATH": path_with_ours(os.environ.get("PATH", os.defpath))}
    os.execve(sys.argv[1], [sys.argv[1], "-i"], environment)
