"""A terminal of its own for a command."""

import os
import pty
import subprocess
from collections.abc import Callable, Mapping, Sequence

import pytest


@pytest.fixture
def in_a_terminal() -> Callable[[Sequence[object], Mapping[str, str]], tuple[bytes, bytes]]:
    """Runs a command whose stdout is a terminal: what it shows there, and its stderr."""
    return _in_a_terminal


def _in_a_terminal(command: Sequence[object], env: Mapping[str, str]) -> tuple[bytes, bytes]:
    primary, secondary = pty.openpty()
    words = [str(word) for word in command]
    with subprocess.Popen(
        words, env=env | {"TERM": "xterm"}, stdout=secondary, stderr=subprocess.PIPE
    ) as process:
        os.close(secondary)
        shown = b""
        try:
            while chunk := os.read(primary, 4096):
                shown += chunk
        except OSError:
            pass  # the other side is closed: EIO
        os.close(primary)
        errors = process.stderr.read()
    assert process.returncode == 0, errors
    return shown, errors
