"""Whatever is killed comes back with all that was applied, traffic flows again, and `down` leaves nothing."""

import os
import select
import signal
import socket
from pathlib import Path

import pytest

from labkit.embedded.cluster import processes

pytestmark = pytest.mark.slow

MANIFESTS = Path(__file__).parents[2] / "manifests"
HOME, OTHER = "dev-service-mesh", "external-cluster"
EGRESS = "components.egressGateways[0]"
ALL = "all,virtualservices,gateways.networking.istio.io,configmaps,namespaces"
ANSWER = (
    "Hello from ServiceA! Calling master system API... Received response from master system "
    "(http://producer-internal-host): Hello from ServiceC! Calling master system API... "
    "Received response from master system "
    "(http://istio-ingressgateway.istio-system.svc.cluster.local/service-ext): "
    "Hello from External Cluster Service!"
)


@pytest.fixture
def mesh(bench):
    """The scenario at its end: every request passes all six proxies but ServiceB's."""
    bench.labkit("up")
    bench.labkit("istio", "install", "-y", "--set", f"{EGRESS}.name=istio-egressgateway",
                 "--set", f"{EGRESS}.enabled=true")  # fmt: skip
    for name in (HOME, OTHER):
        bench.kubectl("create", "namespace", name)
        bench.kubectl("label", "namespace", name, "istio-injection=enabled")
    for step in sorted(MANIFESTS.glob("0[1-6]-*")):
        bench.kubectl("apply", "-n", OTHER if step.name.startswith("04") else HOME, "-f", step)
    for name in (HOME, OTHER):
        bench.kubectl("wait", "-n", name, "--for=condition=Available", "deployment", "--all", "--timeout=30s")
    assert _answer(bench) == ANSWER
    return bench


def test_everything_is_killed_in_turn(mesh):
    """Envoys, services, a pod, the daemon, then all of it at once; nothing that was applied is lost."""
    applied = _specs(mesh)
    for program in ("envoy", "python"):
        _kill_each(mesh, program)
        assert _answer(mesh) == ANSWER
    mesh.kubectl("delete", "pod", "-n", HOME, "--all")
    mesh.kubectl("rollout", "status", "-n", HOME, "deployment/service-a-v1-deployment", "--timeout=30s")
    assert _answer(mesh) == ANSWER

    children = _children(mesh)
    _kill(mesh.running.pid)
    mesh.labkit("up")
    assert _answer(mesh) == ANSWER
    assert not [pid for pid in children if _is(pid, "envoy")], "children die with the daemon"

    mesh.labkit("down")
    mesh.labkit("up")
    assert _answer(mesh) == ANSWER
    assert _specs(mesh) == applied


def test_nothing_is_left_after_down(mesh):
    """No process, no port, no socket; and `clean` takes the files as well."""
    running, gateway = mesh.running, mesh.gateway
    pids = [running.pid, *_children(mesh)]
    ports = {gateway, running.server.removeprefix("https://")} | _pod_ports(mesh)
    assert all(_accepts(port) for port in ports)

    mesh.labkit("down")

    assert not [pid for pid in pids if _is(pid, "")]
    assert not [port for port in ports if _accepts(port)]
    assert not [line for line in Path("/proc/net/unix").read_text().splitlines() if str(running.run) in line]
    assert not running.run.exists()
    mesh.labkit("clean", "-y")
    assert not mesh.home.root.exists()


def _answer(bench):
    """ServiceA's answer; asked again while something on the way is only just coming back."""
    retry = ("--retry", "60", "--retry-delay", "1", "--retry-all-errors", "--fail")
    command = ("curl", "-s", *retry, f"http://{bench.gateway}/service-a")
    for _ in range(60):
        body = bench.run(*command).stdout
        if body == ANSWER:
            break
        select.select([], [], [], 0.25)  # ServiceA tells that ServiceC is away; that too is an answer
    return body


def _specs(bench):
    """All that was applied: (kind, namespace, name) → (uid, spec); pods come and go."""
    return {
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]): (
            each["metadata"]["uid"],
            each.get("spec"),
            each.get("data"),
        )
        for each in bench.get(ALL, "-A")["items"]
        if each["kind"] != "Pod"
    }


def _children(bench):
    return [pid for pid in processes.of(bench.running.pid) if pid != bench.running.pid]


def _kill_each(bench, program):
    running = bench.running
    victims = [pid for pid in _children(bench) if _is(pid, program)]
    assert len(victims) >= 4
    for pid in victims:
        _kill(pid)
    assert bench.running == running


def _is(pid, program):
    """Whether *pid* runs *program*; what is dead and only waits for init to fetch its status does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    name, _, fields = stat.partition("(")[2].rpartition(")")
    return name.startswith(program) and fields.split()[0] != "Z"


def _kill(pid):
    handle = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    select.select([handle], [], [], 10)
    os.close(handle)


def _pod_ports(bench):
    pods = bench.get("pods", "-n", HOME)["items"]
    return {f"{pod['status']['podIP']}:15021" for pod in pods}


def _accepts(address):
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError:
        return False
    return True
