"""Where a program is that a container's command names, in the container's own view of files."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence

from labkit.embedded.node.inside.files import Mount
from labkit.embedded.node.inside.paths import on_host

_SHELL, _GENEROUS_SHELL = "sh", "bash"
"""The shell of most small images is busybox's, which knows ``[[``, and hands on variables whose names hold
``-`` or ``.``. So does bash, by whatever name it is called; Debian's shell does neither.
"""


class NoProgram(Exception):  # noqa: N818 - a runtime's error, worded as one
    """The word names nothing that could be started; says why in the runtime's words."""


def find_program(
    word: str, variables: Mapping[str, str], directory: str, mounts: Sequence[Mount] = ()
) -> str:
    """The path of the program *word* names; NoProgram with the runtime's words where there is none."""
    found = _found(word, variables, directory, mounts)
    if os.path.basename(found) != _SHELL or on_host(found, mounts):  # noqa: PTH119
        return found
    return shutil.which(_GENEROUS_SHELL) or found


def _found(word: str, variables: Mapping[str, str], directory: str, mounts: Sequence[Mount]) -> str:
    if "/" not in word:
        found = shutil.which(word, path=variables.get("PATH", os.defpath))
        if found is None:
            raise NoProgram(f'exec: "{word}": executable file not found in $PATH')
        return os.path.join(directory, found)  # noqa: PTH118  (an absolute path stays what it is)
    path = os.path.join(directory, word)  # noqa: PTH118
    seen = on_host(os.path.normpath(path), mounts) or path
    if not os.path.lexists(seen) and (found := _by_name(word, variables)):
        return found
    with contextlib.suppress(OSError):
        os.stat(seen)  # noqa: PTH116
        if os.path.isdir(seen):  # noqa: PTH112
            raise NoProgram(f'exec: "{word}": is a directory')
        if not os.access(seen, os.X_OK):
            raise NoProgram(f'exec: "{word}": permission denied')
        return path
    raise NoProgram(f'exec: "{word}": stat {word}: no such file or directory')


def _by_name(word: str, variables: Mapping[str, str]) -> str | None:
    """The program that an image has in a folder which this machine has not, as in ``/usr/bin/fortio``."""
    return shutil.which(os.path.basename(word), path=variables.get("PATH", os.defpath))  # noqa: PTH119
