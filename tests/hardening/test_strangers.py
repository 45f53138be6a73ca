"""Another user of the machine, who has no token, against a real daemon."""

import json
import resource
import socket
import ssl
import time
import urllib.request
from collections.abc import Iterator

import psutil
import pytest

pytestmark = pytest.mark.slow
CROWD = 1084


def healthz(bench) -> float:
    """Seconds until the API says that it is well."""
    context = ssl.create_default_context(cafile=str(bench.home.pki / "ca.crt"))
    begun = time.monotonic()
    with urllib.request.urlopen(f"{bench.running.server}/healthz", context=context, timeout=30) as answer:
        assert answer.read() == b"ok"
    return time.monotonic() - begun


def half_sent(server: str, secure: bool) -> socket.socket:
    host, port = server.removeprefix("https://").split(":")
    connection: socket.socket = socket.create_connection((host, int(port)), timeout=10)
    if secure:
        context = ssl._create_unverified_context()
        connection = context.wrap_socket(connection, server_hostname=host)
    connection.sendall(b"GET /api/v1/secrets HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    return connection


@pytest.fixture
def many_files() -> Iterator[None]:
    """As many descriptors as this process may have: an ordinary account begins with 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * CROWD), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_a_thousand_half_sent_requests(bench):
    bench.labkit("up", "--no-istio")
    daemon = psutil.Process(bench.running.pid)
    soft, hard = daemon.rlimit(psutil.RLIMIT_NOFILE)
    assert soft == hard or soft >= 1 << 20
    lines, memory = len(bench.home.log.read_text().splitlines()), daemon.memory_info().rss
    crowd: list[socket.socket] = []
    try:
        for number in range(CROWD):
            crowd.append(half_sent(bench.running.server, secure=number % 4 == 0))
        waited = [healthz(bench) for _ in range(5)]
        open_files = daemon.num_fds()
        bench.kubectl("create", "configmap", "in-the-crowd")
    finally:
        for each in crowd:
            each.close()
    assert min(waited) < 1, waited  # 15 s without a bound
    assert open_files < 400
    assert len(bench.home.log.read_text().splitlines()) - lines < 10
    assert daemon.memory_info().rss - memory < 60_000_000
    events = [json.loads(line) for line in bench.home.log.read_text().splitlines()[lines:]]
    assert not [each for each in events if each["level"] == "error"]
