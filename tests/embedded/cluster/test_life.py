"""Start, stop, and what may go wrong with either; with real daemons."""

import os
import resource
import select
import signal
import socket
import subprocess
import sys

import pytest

from labkit.embedded.cluster import launch, network
from labkit.errors import StartFailed


def _kill(pid):
    """kill -9, and wait for the end."""
    handle = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    select.select([handle], [], [], 10)
    os.close(handle)


def test_up_twice_finds_the_same_daemon(bench):
    first = launch.start(bench.home)
    assert launch.start(bench.home) == first


def test_down_twice_is_fine(bench):
    launch.start(bench.home)
    assert launch.stop(bench.home) is True
    assert launch.stop(bench.home) is False


def test_down_without_a_home_is_fine(bench):
    assert launch.stop(bench.home) is False
    assert not bench.home.root.exists()


def test_a_record_of_a_dead_daemon_says_nothing(bench):
    bench.home.create()
    bench.home.record.write_text(f'{{"pid": {os.getpid()}, "server": "x", "block": 42, "run": "/"}}')
    bench.home.lock.write_text("")
    assert launch.find(bench.home) is None
    assert launch.stop(bench.home) is False
    assert launch.start(bench.home).pid != os.getpid()


def test_the_port_is_kept_and_given_up_when_taken(bench):
    first = launch.start(bench.home).server
    launch.stop(bench.home)
    assert launch.start(bench.home).server == first
    launch.stop(bench.home)
    with socket.create_server(("127.0.0.1", int(first.rpartition(":")[2]))):
        moved = launch.start(bench.home)
        assert moved.server != first
        assert moved.server in bench.kubeconfig.read_text()


def test_two_homes_run_side_by_side(bench):
    other = type(bench)(bench.root / "other")
    first, second = launch.start(bench.home), launch.start(other.home)
    try:
        assert first.block != second.block
        assert first.server != second.server
        assert launch.find(bench.home) == first
    finally:
        other.close()


def test_a_killed_daemon_comes_back_with_everything(bench):
    running = launch.start(bench.home)
    bench.kubectl("create", "namespace", "kept")
    _kill(running.pid)
    assert launch.find(bench.home) is None
    again = launch.start(bench.home)
    assert again.pid != running.pid
    assert again.server == running.server
    assert bench.get("namespace", "kept")["status"]["phase"] == "Active"


def test_an_owned_cluster_ends_with_its_owner(bench, monkeypatch):
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    monkeypatch.setenv("LABKIT_OWNER", str(owner.pid))
    handle = os.pidfd_open(launch.start(bench.home).pid)
    owner.kill()
    owner.communicate()
    assert select.select([handle], [], [], 10)[0]
    os.close(handle)
    assert launch.find(bench.home) is None


def test_a_daemon_that_dies_is_reported_with_its_reason(bench):
    bench.home.create()
    bench.home.database.mkdir()
    with pytest.raises(StartFailed, match=r"cluster\.db"):
        launch.start(bench.home)
    assert launch.find(bench.home) is None
    bench.home.database.rmdir()


def test_a_daemon_that_is_too_slow_is_ended(bench):
    with pytest.raises(StartFailed, match=r"not ready after 0\.01 s"):
        launch.start(bench.home, timeout=0.01)
    assert launch.find(bench.home) is None


def test_a_full_disk_is_told_in_a_sentence(bench):
    # No file may grow beyond this: what a full disk does, without needing to fill one.
    limited = [sys.executable, "-c", _LIMITED, str(200)]
    # Coverage would complain, too, and Python 3.11 take half a file of byte code for a whole one.
    env = bench.env | {"LABKIT_UNMEASURED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(limited, env=env, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode == 1
    assert done.stderr.startswith("labkit: ")


_LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.argv = ["labkit", "up"]
from labkit.cli import main
main()
"""


def test_a_disk_that_fills_up_refuses_writes_and_keeps_the_rest(bench):
    running = launch.start(bench.home)
    bench.kubectl("create", "namespace", "before")
    _limit_file_size(running.pid, 1)
    refused = bench.run("kubectl", "create", "namespace", "during", check=False)
    assert refused.returncode == 1
    assert "nothing was changed" in refused.stderr
    assert "during" not in bench.kubectl("get", "namespaces")
    _limit_file_size(running.pid, resource.RLIM_INFINITY)
    bench.kubectl("create", "namespace", "after")
    launch.stop(bench.home)
    launch.start(bench.home)
    names = bench.kubectl("get", "namespaces", "-o", "name").split()
    assert {"namespace/before", "namespace/after"} <= set(names)
    assert "namespace/during" not in names


def _limit_file_size(pid, size):
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_cluster_whose_addresses_were_taken_moves_and_says_so(bench):
    before = launch.start(bench.home).block
    launch.stop(bench.home)
    _, claim = network.claim_block(before)
    with claim:
        running = launch.start(bench.home)
        assert running.block != before
        assert [one for one in running.mended if f"127.{before}.0.0/16" in one]
        assert f"127.{running.block}.0.0/16" in running.mended[0]


def test_a_second_daemon_of_one_home_steps_back(bench):
    launch.start(bench.home)
    report, end = os.pipe()
    command = [sys.executable, "-m", "labkit.embedded.cluster.daemon", str(bench.home.root), str(end)]
    done = subprocess.run(command, input=b"\n", pass_fds=[end], timeout=30)
    os.close(end)
    assert done.returncode == 1
    assert b"Another daemon" in os.read(report, 1000)
    os.close(report)
