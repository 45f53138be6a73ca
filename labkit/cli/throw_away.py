"""A cluster that exists for one command: others of this user are not touched, and nothing is left."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def throw_away_home() -> Iterator[Path]:
    """A home for this block; a cluster started in it ends with the block."""
    from labkit.kube import embedded

    with working_folder() as folder:
        try:
            yield folder
        finally:
            embedded.remove(folder)


@contextmanager
def working_folder() -> Iterator[Path]:
    """A folder for this block."""
    folder = Path(tempfile.mkdtemp(prefix="labkit-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
