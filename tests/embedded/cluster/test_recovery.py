"""Whatever is killed comes back, with everything that was applied, and traffic flows again."""

import os
import select
import signal
import socket
from pathlib import Path

import pytest

from labkit.embedded.cluster import processes

pytestmark = pytest.mark.slow
STEP_1 = Path(__file__).parents[3] / "manifests" / "01-inbound-to-service-a"


@pytest.fixture
def lesson(bench):
    """The first lesson, with its one service."""
    bench.labkit("up")
    bench.kubectl("create", "namespace", "lesson")
    bench.kubectl("label", "namespace", "lesson", "istio-injection=enabled")
    bench.kubectl("apply", "-n", "lesson", "-f", STEP_1)
    bench.kubectl("rollout", "status", "deployment", "-n", "lesson", "--timeout=30s")
    assert _answer(bench) == "200"
    return bench


def _answer(bench, *options):
    words = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *options]
    return bench.run(*words, f"http://{bench.gateway}/service-a", check=False).stdout


def _kill(pid):
    handle = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    select.select([handle], [], [], 10)
    os.close(handle)


def _uids(bench):
    return {pod["metadata"]["uid"] for pod in bench.get("pods", "-A")["items"]}


def test_a_killed_daemon(lesson):
    """The same objects and the same address; ready means ready: the first request is answered."""
    uids, gateway, running = _uids(lesson), lesson.gateway, lesson.running
    children = set(processes.of(running.pid)) - {running.pid}
    _kill(running.pid)
    lesson.labkit("up")
    assert _answer(lesson) == "200"
    assert lesson.gateway == gateway
    assert _uids(lesson) == uids
    assert not children & set(processes.of(lesson.running.pid))


def test_down_and_up(lesson):
    uids = _uids(lesson)
    lesson.labkit("down")
    lesson.labkit("up")
    assert _answer(lesson) == "200"
    assert _uids(lesson) == uids


def test_a_port_that_was_taken_meanwhile(lesson):
    """The gateway moves to another one, and `labkit up` names it."""
    host, port = lesson.gateway.split(":")
    block = lesson.running.block
    lesson.labkit("down")
    with (
        socket.create_server((host, int(port))),
        socket.create_server((f"127.{block}.255.254", int(port))),
    ):
        assert f"http://{host}:{port}\n" not in lesson.labkit("up").stdout
        assert lesson.gateway != f"{host}:{port}"
        assert _answer(lesson) == "200"
    lesson.labkit("down")


@pytest.mark.parametrize("program", ["envoy", "python3"])
def test_a_killed_child(lesson, program):
    """Of Envoys and services, each in turn; the daemon stays the same."""
    running = lesson.running
    victims = [pid for pid, name in processes.of(running.pid).items() if name.startswith(program)]
    assert victims
    for pid in victims:
        _kill(pid)
    assert _answer(lesson, "--retry", "30", "--retry-delay", "1", "--retry-all-errors", "--fail") == "200"
    assert lesson.running == running


def test_a_deleted_istiod_leaves_traffic_alone(lesson):
    lesson.kubectl("delete", "pod", "-n", "istio-system", "-l", "app=istiod")
    assert _answer(lesson) == "200"
    lesson.kubectl("rollout", "status", "deployment/istiod", "-n", "istio-system", "--timeout=30s")
    assert "SYNCED" in lesson.labkit("status").stdout
