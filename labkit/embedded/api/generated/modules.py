"""Published Go modules, on this machine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path


def downloaded(module: str, *, offline: bool = False) -> Path:
    """The folder of *module* (``path@version``); ``go`` fetches it where it is missing.

    LookupError where it can't be had, and where it is not there yet and *offline* is wanted.
    """
    environment = {**os.environ, "GOFLAGS": "-mod=mod"} | ({"GOPROXY": "off"} if offline else {})
    command = ["go", "mod", "download", "-json", module]
    try:
        answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/", env=environment)
    except (OSError, subprocess.CalledProcessError) as error:
        raise LookupError(f"{module} is not on this machine, and `go` could not fetch it") from error
    return Path(json.loads(answer.stdout)["Dir"])
