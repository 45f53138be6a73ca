"""A home that was left otherwise than it is found: each in a sentence, nothing lost in silence."""

import contextlib
import fcntl
import json
import os
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
from pathlib import Path

import pytest

from labkit.embedded.cluster import launch, processes
from labkit.embedded.cluster.holder import Holder
from labkit.embedded.node.processes.run_records import start_time_of
from labkit.errors import ClusterError, StartFailed

from ...conftest import LABKIT

KEPT = "kept"


@pytest.fixture
def stopped(bench):
    """A home with a ConfigMap `kept`, whose cluster is stopped."""
    launch.start(bench.home)
    bench.kubectl("create", "configmap", KEPT, "--from-literal=key=value")
    launch.stop(bench.home)
    return bench


def _up(bench, *options, **how):
    done = bench.labkit("up", "--no-istio", *options, **how)
    return done.stdout + done.stderr


def _is_kept(bench):
    return bench.run("kubectl", "get", "configmap", KEPT, check=False).returncode == 0


@contextlib.contextmanager
def _database(bench):
    with contextlib.closing(sqlite3.connect(bench.home.database)) as connection, connection:
        yield connection


def test_an_unreadable_object_is_told_by_up_and_by_status(stopped):
    stopped.home.create()
    with _database(stopped) as connection:
        connection.execute("UPDATE objects SET body = '{\"cut' WHERE name = ?", (KEPT,))
    for text in (_up(stopped), stopped.labkit("status").stdout):
        assert f"configmaps default/{KEPT} can't be read" in text
        assert str(stopped.home.root / "aside") in text
    assert not _is_kept(stopped)
    stopped.labkit("down")
    assert "can't be read" not in _up(stopped), "told once"
    assert f"configmaps_default_{KEPT}.json: " in stopped.labkit("status").stdout


@pytest.mark.parametrize("state", ["empty", "gone"])
def test_a_database_that_has_gone_is_no_new_cluster(stopped, state):
    """Not even beside its log, which SQLite would throw away; `--fresh` is how one says so."""
    database = stopped.home.database
    content = database.read_bytes()
    log = database.with_name(f"{database.name}-wal")
    log.write_bytes(b"what was not yet in the file")
    if state == "gone":
        database.unlink()
    else:
        database.write_bytes(b"")
    refused = _up(stopped, check=False)
    assert f"{database} is {state}" in refused
    assert "--fresh" in refused
    assert log.exists()
    log.unlink()
    database.write_bytes(content)
    _up(stopped)
    assert _is_kept(stopped)


def test_a_fresh_cluster_keeps_the_old_one_aside(stopped):
    content = stopped.home.database.read_bytes()
    assert "begins empty" in _up(stopped, "--fresh")
    assert not _is_kept(stopped)
    (kept,) = (stopped.home.root / "aside").glob("*cluster.db")
    assert kept.read_bytes() == content
    assert "down` first" in _up(stopped, "--fresh", check=False)


def test_damaged_settings_and_a_damaged_kubeconfig_are_told(stopped):
    stopped.home.settings.write_text('{"block": 4')
    stopped.kubeconfig.write_text("clusters: [broken\n")
    text = _up(stopped)
    assert f"{stopped.home.settings} was damaged" in text
    assert "The kubeconfig was damaged" in text
    assert _is_kept(stopped)
    for sentence in ("was damaged; the cluster has a new address block", "The kubeconfig was damaged"):
        assert sentence in stopped.labkit("status").stdout


def test_a_home_that_others_can_read_is_closed_and_told(stopped):
    for path in (stopped.home.root, stopped.home.database):
        path.chmod(0o777)
    text = _up(stopped)
    for path in (stopped.home.root, stopped.home.database):
        assert f"{path} (mode 0777) was open to other users" in text
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_a_moved_home_goes_on(stopped):
    moved = type(stopped)(stopped.root / "moved")
    moved.root.mkdir()
    stopped.home.root.rename(moved.home.root)
    _up(moved)
    assert _is_kept(moved)
    moved.close()


def test_a_copy_of_a_running_home_leaves_the_original_alone(bench):
    """Not the records of its processes, nor its lock, nor its port; and the copy is a cluster of its own."""
    bench.labkit("up")
    running = bench.running
    before = processes.of(running.pid)
    copy = type(bench)(bench.root / "copy")
    shutil.copytree(bench.home.root, copy.home.root, ignore=lambda folder, names: _sockets(folder, names))
    assert launch.stop(copy.home) is False
    assert launch.start(copy.home).server != running.server
    assert processes.of(running.pid) == before
    copy.close()


def _sockets(folder, names):
    return [name for name in names if Path(folder, name).is_socket()]


def test_a_stopped_daemon_is_named_and_ended_by_down(bench):
    running = launch.start(bench.home)
    os.kill(running.pid, signal.SIGSTOP)
    for command in ("up", "status"):
        done = bench.labkit(command, check=False)
        assert f"kill -CONT {running.pid}" in done.stdout + done.stderr
        assert done.returncode == 1
    bench.labkit("down")
    assert Holder.of(bench.home.lock).pid == running.pid
    assert not Holder.of(bench.home.lock).is_alive


def test_a_daemon_of_an_earlier_labkit_is_ended_too(bench):
    """It wrote itself into its record only."""
    running = launch.start(bench.home)
    with bench.home.lock.open("r+") as signed:
        signed.truncate(0)
    assert launch.stop(bench.home) is True
    assert launch.find(bench.home) is None
    assert start_time_of(running.pid) is None


def test_up_waits_for_a_daemon_that_ends(bench):
    """Somebody else sent SIGTERM; the next one keeps its address."""
    first = launch.start(bench.home)
    os.kill(first.pid, signal.SIGTERM)
    while bench.home.record.exists():  # until then it is not known to end
        assert start_time_of(first.pid)
    again = launch.start(bench.home)
    assert again.pid != first.pid
    assert again.server == first.server


def test_a_daemon_whose_start_was_abandoned_is_taken_over(bench):
    """`labkit up` was killed; its daemon was on its way."""
    bench.home.create()
    starting = subprocess.Popen(
        [*_labkit(), "up", "--no-istio"], env=bench.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with starting:
        while not Holder.of(bench.home.lock):
            assert starting.poll() is None
        starting.kill()
    daemon = Holder.of(bench.home.lock).pid
    assert launch.start(bench.home).pid == daemon


def _labkit():
    return [str(LABKIT)]


def test_a_cluster_on_another_machine_gets_no_signal(bench):
    """A home on a shared disk: the pid in it may be anybody's here."""
    bench.home.create()
    innocent = subprocess.Popen(["sleep", "60"])
    with bench.home.lock.open("w") as held, innocent:
        fcntl.flock(held, fcntl.LOCK_EX)
        file = os.fstat(held.fileno()).st_ino
        there = {"pid": innocent.pid, "start_time": 1, "boot": "other", "host": "elsewhere", "file": file}
        held.write(json.dumps(there))
        held.flush()
        for what in (launch.start, launch.stop):
            with pytest.raises(ClusterError, match=r"in use by a cluster on elsewhere"):
                what(bench.home)
        assert innocent.poll() is None
        innocent.kill()


def test_a_full_disk_at_the_start_is_a_sentence(stopped, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # Python 3.11 takes half a file of it for a whole one
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, before[1]))  # as a full disk: no record of it
    try:
        with pytest.raises((ClusterError, StartFailed), match=r"(?s)disk|File too large"):
            launch.start(stopped.home)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    launch.start(stopped.home)
    assert _is_kept(stopped)


@pytest.mark.slow
def test_an_install_that_was_interrupted_is_done_by_the_next_up(bench):
    with subprocess.Popen([*_labkit(), "up"], env=bench.env, stdout=subprocess.PIPE, text=True) as first:
        while "Istio core" not in first.stdout.readline():
            assert first.poll() is None
        first.kill()
    assert "gateway:" in bench.labkit("up").stdout
    assert "labkit-up" not in bench.kubectl("get", "configmaps", "-n", "kube-public")


@pytest.mark.slow
def test_up_waits_through_the_pause_after_two_kills_and_says_so(bench):
    bench.labkit("up")
    for _ in range(2):
        _kill_gateway(bench)
    text = bench.labkit("up").stdout
    assert "waiting for istio-ingressgateway: container istio-proxy is in CrashLoopBackOff" in text
    assert "Istio runs" in text
    bench.kubectl(
        "rollout", "status", "-n", "istio-system", "deployment/istio-ingressgateway", "--timeout=1s"
    )


def _kill_gateway(bench):
    while not (found := [p for p, name in processes.of(bench.running.pid).items() if name == "envoy"]):
        pass
    handle = os.pidfd_open(found[0])
    os.kill(found[0], signal.SIGKILL)
    with os.fdopen(handle):
        while found[0] in processes.of(bench.running.pid):
            pass


def test_another_command_at_work_is_named(bench):
    bench.home.create()
    with bench.home.start_lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        Holder.sign(held.fileno())
        waiting = subprocess.Popen([*_labkit(), "down"], env=bench.env, stdout=subprocess.PIPE, text=True)
        line = waiting.stdout.readline()
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(10) == 130
        waiting.stdout.close()
    assert f"waiting for another labkit command (pid {os.getpid()})" in line


def _on_a_disk_of_its_own(bench, script):
    """Run *script* where the bench's root is a small disk that only it sees; what it printed."""
    unshare = ["unshare", "--user", "--map-root-user", "--mount"]
    if not shutil.which("unshare") or bench.run(*unshare, "true", check=False).returncode:
        pytest.skip("an ordinary user may not make a mount namespace here (unshare --user --mount)")
    head = f'set -u; mount -t tmpfs -o size=6m none {bench.root}; labkit() {{ {LABKIT} "$@" 2>&1; }}\n'
    return bench.run(*unshare, "bash", "-c", head + script, timeout=100).stdout


def test_a_disk_that_is_really_full_refuses_and_recovers(bench):
    text = _on_a_disk_of_its_own(
        bench,
        f"""
        labkit up --no-istio; kubectl create configmap {KEPT}; labkit down
        fill() {{ dd if=/dev/zero of={bench.root}/fill bs=4k 2>/dev/null; }}
        fill; echo; echo FULL; labkit up --no-istio; labkit status
        rm {bench.root}/fill; echo SPACE; labkit up --no-istio; kubectl get configmap -o name
        fill; echo RUNNING; kubectl create configmap new 2>&1; kubectl get configmap -o name
        labkit down; true""",
    )
    full, running = text.partition("FULL")[2].split("SPACE")[0], text.partition("RUNNING")[2]
    assert f"The disk that holds {bench.home.root} is full; free some space" in full
    assert "Traceback" not in text
    assert f"configmap/{KEPT}" in text.partition("SPACE")[2].split("RUNNING")[0]
    assert "nothing was changed" in running
    assert f"configmap/{KEPT}" in running
    assert "configmap/new" not in running


def test_a_read_only_home_is_a_sentence(bench):
    text = _on_a_disk_of_its_own(
        bench,
        f"""
        labkit up --no-istio; labkit down; mount -o remount,bind,ro {bench.root}
        echo; echo READ-ONLY; labkit up; labkit status; labkit down; true""",
    ).partition("READ-ONLY")[2]
    assert text.count("Read-only file system); set LABKIT_HOME to a folder of yours.") == 2
    assert f"No cluster runs in {bench.home.root}" in text
