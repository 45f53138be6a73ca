"""nbval over notebooks, in a process of its own: every cell is executed, every output compared."""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import pytest

from labkit.language import ENGLISH

ROOT = Path(__file__).parents[2]
SANITIZERS = Path(__file__).with_name("sanitize.cfg")
SECONDS_PER_CELL = 60


@dataclass(frozen=True)
class Comparison:
    """What nbval found: every cell it ran, those that failed, and what it printed."""

    cells: list[str]
    failed: list[str]
    text: str


@pytest.fixture
def nbval(bench):
    """Compare notebooks with what they give now, on the cluster of *bench*, where *language* is spoken."""

    def compare(*notebooks: Path, language: str = ENGLISH) -> Comparison:
        report = bench.root / "nbval.xml"
        options = ["--nbval", "--nbval-current-env", f"--nbval-sanitize-with={SANITIZERS}"]
        options += [f"--nbval-cell-timeout={SECONDS_PER_CELL}", f"--junitxml={report}", f"--rootdir={ROOT}"]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *notebooks]
        quiet = {"JUPYTER_PLATFORM_DIRS": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        # The learner's own settings (IPython's profile, a kernel of the same name) are not looked at.
        private = {"IPYTHONDIR": str(bench.root / "ipython"), "JUPYTER_RUNTIME_DIR": str(bench.root / "run")}
        environment = {**bench.env, **quiet, **private, "LABKIT_LANGUAGE": language}
        done = subprocess.run(
            [str(word) for word in command], env=environment, capture_output=True, text=True, timeout=300
        )
        cases = list(ElementTree.parse(report).iter("testcase"))
        failed = [
            case for case in cases if case.find("failure") is not None or case.find("error") is not None
        ]
        return Comparison([_name(case) for case in cases], [_name(case) for case in failed], done.stdout)

    return compare


def _name(case) -> str:
    return f"{case.get('classname').rpartition('.')[2]} {case.get('name')}"
