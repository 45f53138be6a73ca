"""What this host allows a pod's programs: tried, each in a child of its own that ends at once.

Run as ``python -c "…trial.main()" FOLDER``; prints two lines, each empty or why it is not possible.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from labkit.embedded.node.inside import files, seccomp, tracee
from labkit.embedded.node.inside.seccomp import UnsupportedError


def main() -> None:
    """Try both in the empty folder that is given."""
    top = sys.argv[1]
    os.chdir("/")
    print(_reason(seccomp.install) or _why_hidden())
    print(_reason(lambda: files.enter([files.Mount(top, "/tmp")], top)))


def _why_hidden() -> str:
    """Why a child of this process can't be looked at."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.read(reader, 1)  # until the parent has looked
        os._exit(0)
    found = tracee.why_hidden(child)
    os.close(writer)
    os.waitpid(child, 0)
    return found


def _reason(attempt: Callable[[], object]) -> str:
    """Why *attempt* fails; empty where it does not."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            attempt()
        except (OSError, UnsupportedError) as error:
            os.write(writer, str(getattr(error, "strerror", None) or error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as told:
        return told.read()
