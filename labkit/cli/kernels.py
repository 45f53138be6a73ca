"""What kernels of notebooks are started with: an environment of their own, made from this process's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

QUIET = {
    "JUPYTER_PREFER_ENV_PATH": "1",
    "JUPYTER_PLATFORM_DIRS": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}
"""This very Python as the kernel, and no advice on stderr; what somebody has set stays."""


@dataclass(frozen=True)
class Kernels:
    """Where the kernels of one run keep their sockets, and what is in their environment beside ours."""

    folder: Path
    environment: Mapping[str, str]

    @property
    def sockets(self) -> Path:
        """A private folder: other users of the machine can't talk to a kernel."""
        return self.folder / "jupyter"

    def variables(self) -> dict[str, str]:
        """The whole environment of a kernel."""
        return {**QUIET, **os.environ, **self.environment, "JUPYTER_RUNTIME_DIR": str(self.sockets)}
