"""One image as its maker describes it: what it starts, with which variables, which commands it holds.

``command`` takes the place of the entrypoint, ``args`` that of the arguments, as Kubernetes has it
(https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labkit.embedded.interfaces import Launch, ProcessCommand
from labkit.embedded.node.containers.catalogue import Image, ProcessImage
from labkit.embedded.node.processes.environment import expand

HOST_PATH = os.pathsep.join((os.defpath, "/usr/local/bin", "/usr/sbin", "/sbin"))
"""Where the machine's own programs are looked for, whatever folder an image has them in."""


class NoSuchProgram(Exception):  # noqa: N818 - a runtime's error, worded as one
    """A container's command names nothing that could be started."""

    def __init__(self, word: str) -> None:
        why = "no such file or directory" if "/" in word else "executable file not found in $PATH"
        named = f"stat {word}: {why}" if "/" in word else why
        super().__init__(
            "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc "
            "create failed: unable to start container process: error during container init: "
            f'exec: "{word}": {named}: unknown'
        )


@dataclass(frozen=True)
class Program:
    """An image, as ``docker inspect`` would show it."""

    what: str
    """A line for ``labkit images``."""
    entrypoint: Sequence[str] = ()
    cmd: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    commands: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Programs that are in it, by the name one types: what each is on this machine."""
    folders: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Folders that it has, which a container may write to: path → name → content."""
    directory: Path | None = None
    """Its working folder, where that is one of this machine."""

    def image(self) -> Image:
        """As an entry of the catalogue."""
        return ProcessImage(self.describe)

    def describe(self, launch: Launch) -> ProcessCommand:
        """The process of *launch*; NoSuchProgram where its command can't be found."""
        first, *rest = self._words(launch)
        return ProcessCommand(
            [*self.found(first), *rest],
            environment={
                name: value for name, value in self.environment.items() if name not in launch.environment
            },
            programs=self.commands,
            folders=self.folders,
            directory=self.directory,
        )

    def found(self, word: str) -> Sequence[str]:
        """What *word*, a name or a path inside of the image, is on this machine."""
        name = word.rpartition("/")[2]
        if name in self.commands:
            return self.commands[name]
        if self.directory and os.access(self.directory / name, os.X_OK) and (self.directory / name).is_file():
            return [str(self.directory / name)]
        if "/" in word and os.access(word, os.X_OK) and not Path(word).is_dir():
            return [word]
        found = shutil.which(name, path=HOST_PATH)
        if found is None:
            raise NoSuchProgram(word)
        return [found]

    def _words(self, launch: Launch) -> list[str]:
        command, args = launch.container.get("command"), launch.container.get("args")
        words = [*command, *(args or [])] if command else [*self.entrypoint, *(args or self.cmd)]
        if not words:
            raise NoSuchProgram("")
        return [expand(str(word), launch.environment) for word in words]
