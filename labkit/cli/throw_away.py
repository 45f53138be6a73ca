"""A cluster that exists for one command: others of this user are not touched, and nothing is left."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def throw_away_home() -> Iterator[Path]:
    """A home for this block; a cluster started in it ends with the block, and with this process."""
    from labkit.kube import embedded

    with working_folder() as folder:
        # With its owner, even one that is killed, the cluster ends.
        os.environ |= {"LABKIT_HOME": folder, "LABKIT_OWNER": str(os.getpid())}
        try:
            yield Path(folder)
        finally:
            embedded.remove(Path(folder))


@contextmanager
def working_folder() -> Iterator[str]:
    """A folder for this block, for kernels' sockets too; the environment is as before in the end."""
    before = dict(os.environ)
    folder = tempfile.mkdtemp(prefix="labkit-")
    os.environ["JUPYTER_RUNTIME_DIR"] = f"{folder}/jupyter"
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.environ.clear()
        os.environ.update(before)
