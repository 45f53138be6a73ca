"""Kill, stop and disk-full schedules: real processes, the scenario under load."""

import contextlib
import json
import os
import resource
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from labkit.embedded.cluster import processes
from labkit.embedded.cluster.holder import Holder
from labkit.embedded.node.processes.run_records import start_time_of

from ..conftest import LABKIT, Bench
from .load import Door, Requests, Writer
from .schedule import ALL, Step, schedule

pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(300)]

SERVICES = ("python", "labkit")
BY_ITSELF = 15.0  # seconds: a first pause of the kubelet, and a start
BUSY = 45.0  # seconds more for pods that are starting, on a machine that has other things to do
SPECS = "deployments,services,serviceaccounts,gateways.networking.istio.io,namespaces"


@pytest.mark.parametrize("seed", range(ALL), ids=lambda seed: f"seed{seed}-")
def test_nothing_acknowledged_is_lost(mesh, seed):
    """It serves again, by itself or by `labkit up`; all is as it was acknowledged; `down` leaves nothing."""
    steps = schedule(seed)
    print(f"seed {seed}: " + "; ".join(map(str, steps)))
    mesh.labkit("up")
    play = Play(mesh)
    specs, gateway = _specs(mesh), mesh.gateway
    writer, requests = Writer(Door(mesh.kubeconfig)), Requests(gateway)
    writer.start()
    requests.start()
    try:
        for step in steps:
            play.do(step)
    finally:
        requests.stop()
        writer.stop()
    print(f"  {writer}; {requests}")
    mesh.labkit("up")
    _serves(mesh)
    writer.check()
    assert _specs(mesh) == specs
    assert writer.acknowledged
    play.note()
    running, gateway = mesh.running, mesh.gateway
    mesh.labkit("down")
    assert not [what for what in play.seen if start_time_of(what[0]) == what[1]], "processes left"
    assert not [port for port in (gateway, running.server.removeprefix("https://")) if _accepts(port)]
    assert not running.run.exists()
    assert str(running.run) not in Path("/proc/net/unix").read_text()


class Play:
    """Does the steps, and remembers every process there was."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.seen: set[tuple[int, int]] = set()
        """(pid, its start)."""
        self.note()

    def do(self, step: Step) -> None:
        """One step, and a pause."""
        began = time.monotonic()
        {
            "labkit": self._command,
            "killed labkit": self._killed_command,
            "full": self._full_disk,
        }.get(step.action, self._signal)(step)
        self.note()
        time.sleep(step.seconds)  # load, not luck: how long the next step comes after this one
        print(f"  {step}: {time.monotonic() - began:.1f} s")

    def note(self) -> None:
        """Remember what runs now."""
        holder = Holder.of(self._bench.home.lock)
        for pid in processes.of(holder.pid) if holder and holder.is_alive else ():
            if born := start_time_of(pid):
                self.seen.add((pid, born))

    def _command(self, step: Step) -> None:
        done = self._bench.labkit(step.target, check=False)
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        assert done.returncode == 0, done.stderr

    def _killed_command(self, step: Step) -> None:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen([LABKIT, step.target], env=self._bench.env, **quiet) as command:
            time.sleep(step.seconds)
            command.kill()

    def _full_disk(self, step: Step) -> None:
        """No file of the daemon can grow for a while: what a full disk does, without needing to fill one."""
        if pid := self._pid("daemon", 0):
            _limit_files(pid, 1)
            time.sleep(step.seconds)
            _limit_files(pid, resource.RLIM_INFINITY)

    def _signal(self, step: Step) -> None:
        pid = self._pid(step.target, step.which)
        if pid is None:
            self._bench.labkit("up")
            pid = self._pid(step.target, step.which)
            if pid is None:
                return  # it waits for its next try
        handle = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(handle, signal.Signals[step.action])
            if step.action == "SIGSTOP":
                time.sleep(step.seconds)
                signal.pidfd_send_signal(handle, signal.SIGCONT)
            elif step.target != "daemon" or step.action == "SIGKILL":
                select.select([handle], [], [], 10)
        except ProcessLookupError:
            pass
        finally:
            os.close(handle)

    def _pid(self, target: str, which: int) -> int | None:
        running = self._bench.running
        found = processes.of(running.pid) if running else {}
        names = {"daemon": ("daemon",), "envoy": ("envoy",), "service": SERVICES}[target]
        pids = sorted(pid for pid, name in found.items() if name.startswith(names))
        return pids[which % len(pids)] if pids else None


def _limit_files(pid: int, size: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def _serves(bench: Bench) -> None:
    """Requests are answered: by themselves, or once `labkit up` has started what is in a long pause."""
    if not _answers(bench, BY_ITSELF):
        if "CrashLoopBackOff" in bench.kubectl("get", "pods", "-A"):
            bench.labkit("down")
            bench.labkit("up")
        assert _answers(bench, BUSY), bench.kubectl("get", "pods", "-A")


def _answers(bench: Bench, seconds: float) -> bool:
    words = ["curl", "-s", "--max-time", "5", "-w", "%{http_code}", f"http://{bench.gateway}/service-a"]
    deadline = time.monotonic() + seconds
    while "Received response" not in (body := bench.run(*words, check=False).stdout) or body[-3:] != "200":
        if time.monotonic() > deadline:
            print(body)
            return False
        time.sleep(0.1)  # asked again until it answers
    return True


def _specs(bench: Bench) -> dict:
    """All that was applied before: (kind, namespace, name) → (uid, spec)."""
    items = json.loads(bench.kubectl("get", SPECS, "-A", "-o", "json"))["items"]
    return {
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]): (
            each["metadata"]["uid"],
            _spec(each),
        )
        for each in items
    }


def _spec(obj: dict) -> dict:
    """But for the gateway's ports, which may move."""
    spec = dict(obj.get("spec") or {})
    return spec if obj["metadata"]["name"] not in ("istio-ingressgateway", "kubernetes") else {}


def _accepts(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError:
        return False
    return True
