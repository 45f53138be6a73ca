"""The house rules that a machine can check: layers, lint, format, types, declared dependencies."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["lint-imports", "--no-cache"], id="layers"),
        pytest.param(["ruff", "check", "."], id="lint"),
        pytest.param(["ruff", "format", "--check", "."], id="format"),
        pytest.param(["mypy", "--strict", "labkit"], id="types", marks=pytest.mark.slow),
        pytest.param(
            ["deptry", "labkit", "notebooks", "--optional-dependencies-dev-groups", "test"], id="dependencies"
        ),
        pytest.param(["deptry", "."], id="dependencies-of-tests"),
    ],
)
def test_source_keeps_the_rule(command):
    done = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
