"""The images a learner has entered: names for programs of this machine, kept in the state folder.

``images.json`` there, for its owner's eyes and hands::

    {"me/shop:1": {"command": ["/usr/bin/node", "server.js"], "directory": "/home/me/shop"}}

A pod whose container names such an image runs that command in that folder; the container's ``args`` are put
behind it, its ``command`` takes its place. A running cluster sees a change at its next look.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labkit import state
from labkit.errors import UsageError
from labkit.language import gettext

FILE = "images.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[\w][\w.-]{0,127})?")
_MESH = re.compile(r"(^|/)(proxyv2|pilot)(:|$)")


@dataclass(frozen=True)
class OwnImage:
    """A program under the name of an image."""

    command: tuple[str, ...]
    directory: Path


def file(folder: Path | None = None) -> Path:
    """Where they are kept."""
    return (folder or state.folder()) / FILE


def read(path: Path | None = None) -> dict[str, OwnImage]:
    """All of them by name; UsageError where the file can't be understood."""
    path = path or file()
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {name: _entry(entry) for name, entry in entries.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(
            gettext(
                "{path} can't be read as a list of images ({error}); mend it or remove it.",
                path=path,
                error=error,
            )
        ) from None


def _entry(entry: Mapping[str, object]) -> OwnImage:
    command = entry["command"]
    if not (isinstance(command, list) and command and all(isinstance(word, str) for word in command)):
        raise ValueError(f"command is no list of words: {command!r}")
    return OwnImage(tuple(command), Path(str(entry["directory"])))


def add(name: str, command: Sequence[str], directory: Path) -> OwnImage:
    """Enter *command*, to be run in *directory*, as the image *name*; UsageError for what can't be one."""
    if not _NAME.fullmatch(name):
        raise UsageError(gettext("{name!r} is no name of an image, as in me/shop:1.", name=name))
    if _MESH.search(name):
        raise UsageError(gettext("{name} is the mesh's own image; enter yours by another name.", name=name))
    if not command:
        raise UsageError(gettext("Say which program: `labkit images add {name} -- COMMAND`", name=name))
    entered = OwnImage((_program(command[0], directory), *command[1:]), directory)
    _write(read() | {name: entered})
    return entered


def remove(name: str) -> None:
    """Forget the image *name*; UsageError where there is none of that name."""
    known = read()
    if name not in known:
        mine = ", ".join(known) or gettext("none")
        raise UsageError(gettext("You have entered no image {name}. Yours: {mine}.", name=name, mine=mine))
    del known[name]
    _write(known)


def _program(word: str, directory: Path) -> str:
    """The path of the program *word*, as a shell in *directory* would find it."""
    path = str(directory / word) if "/" in word else word
    found = shutil.which(path)
    if found is None:
        raise UsageError(
            gettext("There is no program {word} on this machine that could be started.", word=word)
        )
    return str(Path(found).absolute())


def _write(images: Mapping[str, OwnImage]) -> None:
    entries = {
        name: {"command": list(image.command), "directory": str(image.directory)}
        for name, image in images.items()
    }
    state.write(file(), json.dumps(entries, indent=2) + "\n")
