"""A mesh to break, with the scenario at its end.

    pytest tests/chaos -m chaos               # all fifty schedules
    pytest tests/chaos -m chaos -k seed17-    # one of them again

An ordinary `pytest` plays the first five.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.embedded.cluster import launch

from ..conftest import Bench
from .schedule import ORDINARY


def pytest_collection_modifyitems(config, items):
    if "chaos" in config.option.markexpr:
        return
    unasked = [each for each in items if _seed(each) >= ORDINARY]
    config.hook.pytest_deselected(items=unasked)
    items[:] = [each for each in items if _seed(each) < ORDINARY]


def _seed(item):
    return item.callspec.params["seed"] if item.get_closest_marker("chaos") else 0


@pytest.fixture(scope="module")
def mesh() -> Iterator[Bench]:
    """Stopped between the schedules; they share its objects, and so find what those before left."""
    if not hasattr(os, "pidfd_open"):
        pytest.skip("this system has no pidfds to wait for killed processes with")
    root = Path(tempfile.mkdtemp(prefix="lk-"))
    bench = Bench(root)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_STATE_HOME", str(root / "state"))
            bench.run(sys.executable, "-c", "from labkit import Lab; Lab().goto(6, finished=True)")
            bench.labkit("down")
            yield bench
            bench.close()
    finally:
        launch.stop(bench.home)
        shutil.rmtree(root, ignore_errors=True)
