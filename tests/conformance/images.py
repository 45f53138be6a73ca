"""The images that upstream's specs ask for: upstream's own program where one is named, entered by name."""

from __future__ import annotations

import stat
from pathlib import Path

from labkit import images

AGNHOST = "registry.k8s.io/e2e-test-images/agnhost"
_TAGS = ("2.56", "2.55")
_ENTRYPOINT = """#!/bin/sh
[ $# -gt 0 ] || set -- pause
exec {program} "$@"
"""
"""The image's ENTRYPOINT and CMD (test/images/agnhost/Dockerfile)."""


def enter_agnhost(program: Path, folder: Path) -> None:
    """Let pods that name agnhost's image run *program*, with the words the image has where they give none."""
    script = folder / "bin" / "agnhost"
    script.parent.mkdir()
    script.write_text(_ENTRYPOINT.format(program=program))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    for tag in _TAGS:
        images.add(f"{AGNHOST}:{tag}", [str(script)], program.parent)
