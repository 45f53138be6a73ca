"""How the node starts a program inside a pod: what it has to say, and to whom (:mod:`.supervisor`).

Apart from that module, so that the daemon loads nothing that only a supervisor needs.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from labkit.embedded.node.inside.files import Mount
from labkit.embedded.node.inside.node import Place

ROOT = Path(__file__).parents[4]
"""Where the package is that a started process imports."""
_BEGIN = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from labkit.embedded.node.inside import {0}; {0}.main()"
)


@dataclass(frozen=True)
class Inside:
    """Into which pod a program is put."""

    place: Place
    mounts: Sequence[Mount] = ()
    top: str = ""
    """An empty folder of the pod's, for :func:`labkit.embedded.node.inside.files.enter`."""
    directory: str = ""
    """The working folder, as the pod sees it; empty: that of this process."""
    capabilities: Sequence[str] = ()
    """What root may do in it (:mod:`.capabilities`); any other account has none."""
    begun: int = -1
    """A descriptor that is closed once the program is there."""
    is_container: bool = False
    """Whether it is a container's own program, which SIGTERM asks to end; a command is ended."""


def command_line(inside: Inside, program: str, argv: Sequence[str]) -> list[str]:
    """What to start, for *program* with *argv* to run in *inside*, as a child of this process."""
    begin = [sys.executable, "-I", "-S", "-c", _BEGIN.format("supervisor"), str(ROOT)]
    return [*begin, str(os.getpid()), json.dumps(asdict(inside)), program, *argv]


def why_not() -> tuple[str, str]:
    """Why programs of a pod get no network of its own here, and why no files; each empty where they do."""
    import subprocess  # late: supervisors, which start all the time, need neither
    import tempfile

    with tempfile.TemporaryDirectory() as top:
        begin = [sys.executable, "-I", "-S", "-c", _BEGIN.format("trial"), str(ROOT), top]
        done = subprocess.run(begin, capture_output=True, text=True, timeout=10)
    network, files_, *_ = [*done.stdout.splitlines(), "it could not be tried", "it could not be tried"]
    return network, files_
