"""The whole lab: its memory with JupyterLab and a kernel, and the time all notebooks take."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

from labkit.embedded.cluster import processes

pytestmark = [pytest.mark.benchmark, pytest.mark.slow]

LESSON = """
from labkit import Lab
lab = Lab()
lab.goto(6, finished=True)
lab.send("/service-a", requests=200, concurrency=4)
"""


@pytest.fixture
def server(bench):
    """JupyterLab as `labkit lab` starts it; its pid."""
    words = [Path(sys.executable).parent / "labkit", "lab", "--no-browser", "--port", "0"]
    process = subprocess.Popen(
        words, env=bench.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert any("/lab/tree/" in line for line in process.stdout)
    yield process.pid
    process.terminate()
    process.communicate(timeout=30)


@pytest.fixture
def kernel(bench, server):
    """A kernel in which a learner has just done the last step; its pid."""
    manager, client = start_new_kernel(kernel_name="python3", env=bench.env)
    try:
        reply = client.execute_interactive(LESSON, timeout=60, output_hook=lambda message: None)
        assert reply["content"]["status"] == "ok", reply["content"]
        yield manager.provisioner.pid
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_memory(bench, server, kernel, figure):
    cluster = sum(processes.memory(pid) for pid in processes.of(bench.running.pid)) / 1e6
    jupyter, learner = processes.memory(server) / 1e6, processes.memory(kernel) / 1e6
    parts = f"cluster {cluster:.0f}, JupyterLab {jupyter:.0f}, kernel {learner:.0f}"
    total = cluster + jupyter + learner
    figure("whole lab, PSS", f"{total:.0f} MB: {parts}", "450 MB", met=total < 450)


@pytest.mark.timeout(400)
def test_all_notebooks(bench, figure):
    began = time.perf_counter()
    done = bench.labkit("run", "--output", bench.root / "out", timeout=350)
    passed = re.search(r"(\d+) of (\d+) notebooks passed", done.stdout)
    assert passed[1] == passed[2]
    seconds = time.perf_counter() - began
    measured = f"{seconds:.0f} s for {passed[1]}"
    figure("all notebooks, cluster and pages too", measured, "60 s", met=seconds < 60)
