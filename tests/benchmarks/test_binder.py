"""What a Binder session lives on: one core, 450 MB guaranteed, 2 GB at most, kernels culled when idle.

The children of a test that pins itself to one core are pinned as well.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from jupyter_client.manager import start_new_kernel

from labkit.embedded.cluster import processes

pytestmark = [pytest.mark.benchmark, pytest.mark.slow]

LAST_STEP = """
from labkit import Lab
lab = Lab()
lab.goto(6, finished=True)
lab.send("/service-a", requests=200, concurrency=4)
"""
BACK = """
from labkit import Lab
with Lab() as lab:
    assert lab.curl("/service-a").status == 200
"""


@pytest.fixture
def one_core():
    """This process, and so all it starts, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    yield
    os.sched_setaffinity(0, before)


class Peak(threading.Thread):
    """The most memory (bytes, PSS) that this test's processes took together while ``with`` lasted."""

    def __init__(self):
        super().__init__(daemon=True)
        self.done, self.bytes, self.parts = threading.Event(), 0, {}

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join()

    def run(self):
        while not self.done.wait(0.5):
            parts = {name: processes.memory(pid) for name, pid in self._all()}
            if sum(parts.values()) > self.bytes:
                self.bytes, self.parts = sum(parts.values()), parts

    def _all(self):
        """All that was started from here: the daemon stays the child of whoever started it."""
        found = processes.of(os.getpid())
        return [(f"{name} {pid}", pid) for pid, name in found.items() if pid != os.getpid()]


@pytest.mark.timeout(600)
def test_the_whole_book_on_one_core(bench, one_core, figure):
    began = time.perf_counter()
    with Peak() as peak:
        done = bench.labkit("run", "--output", bench.root / "out", timeout=500)
    seconds = time.perf_counter() - began
    passed = re.search(r"(\d+) of (\d+) notebooks passed", done.stdout)
    assert passed[1] == passed[2]
    figure("the whole book on one core", f"{seconds:.0f} s for {passed[1]} notebooks")
    megabytes = peak.bytes / 1e6
    largest = ", ".join(
        f"{name.split()[0]} {size / 1e6:.0f}"
        for name, size in sorted(peak.parts.items(), key=lambda x: -x[1])[:4]
    )
    measured = f"{megabytes:.0f} MB, the largest {largest}"
    figure("its memory at the most, PSS", measured, "2000 MB", met=megabytes < 2000)
    assert megabytes < 2000


@pytest.mark.promise
def test_a_culled_kernel(bench, one_core, figure):
    """The session's kernel is killed, then its cluster too; a new kernel goes on where the old one was."""
    with _kernel(bench) as (old, client):
        _execute(client, LAST_STEP)
        os.kill(old, signal.SIGKILL)
    _back(bench, figure, "a kernel culled → a new one is answered by ServiceA", "1 s", 1)
    daemon = bench.running.pid
    os.kill(daemon, signal.SIGKILL)
    psutil.Process(daemon).wait(10) if psutil.pid_exists(daemon) else None
    _back(bench, figure, "the cluster killed as well → a new kernel is answered", "", None)
    assert bench.running.pid != daemon


def _back(bench, figure, what, budget, limit):
    with _kernel(bench) as (_, client):
        began = time.perf_counter()
        _execute(client, BACK)
        seconds = time.perf_counter() - began
    figure(what, f"{seconds:.2f} s", budget, met=None if limit is None else seconds < limit)


@contextlib.contextmanager
def _kernel(bench):
    """The pid of a new kernel, and its client."""
    manager, client = start_new_kernel(kernel_name="python3", env=bench.env)
    try:
        yield manager.provisioner.pid, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def _execute(client, code):
    reply = client.execute_interactive(code, timeout=60, output_hook=lambda message: None)
    assert reply["content"]["status"] == "ok", reply["content"]


@pytest.fixture
def session(bench):
    """What repo2docker's image runs, with our start in front; its pid."""
    env = bench.env | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    start = Path(__file__).parents[2] / "binder" / "start"
    words = [start, "jupyter", "server", "--no-browser", "--port", "0", "--allow-root"]
    process = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert any("http://" in line for line in process.stdout)
    yield process.pid
    process.terminate()
    process.communicate(timeout=30)


def test_memory_of_a_session(bench, one_core, session, figure):
    """Cluster with everything in it, server and the kernel of the last step, on one core."""
    bench.labkit("up")
    with _kernel(bench) as (kernel, client):
        _execute(client, LAST_STEP)
        sizes = {pid: processes.memory(pid) / 1e6 for pid in processes.of(bench.running.pid)}
        cluster, server, learner = (
            sum(sizes.values()),
            *(processes.memory(x) / 1e6 for x in (session, kernel)),
        )
    figure("session: cluster with everything, PSS", f"{cluster:.0f} MB", "350 MB", met=cluster < 350)
    total = cluster + server + learner
    measured = f"{total:.0f} MB: cluster {cluster:.0f}, server {server:.0f}, kernel {learner:.0f}"
    figure("session: with server and kernel, PSS", measured, "450 MB", met=total < 450)
    assert total < 2000
