"""SECURITY.md, tried: what another account of the machine can reach of a cluster with a service in it."""

import os
import socket
import ssl
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from labkit.embedded.cluster import processes

pytestmark = pytest.mark.slow
STEP_1 = Path(__file__).parents[2] / "manifests" / "01-inbound-to-service-a"
METRICS, AGENT, READY, CLAIM = 15090, 15020, 15021, 15000
NODE_PORTS = range(30000, 32768)
OPEN_TO_POD_NETWORK = {METRICS, AGENT, READY, CLAIM}


@pytest.fixture(scope="module")
def lesson(cluster):
    cluster.kubectl("create", "namespace", "neighbours")
    cluster.kubectl("label", "namespace", "neighbours", "istio-injection=enabled")
    cluster.kubectl("apply", "-n", "neighbours", "-f", STEP_1)
    cluster.kubectl("rollout", "status", "deployment", "-n", "neighbours", "--timeout=60s")
    yield cluster
    cluster.kubectl("delete", "namespace", "neighbours")


def test_files_and_sockets_are_the_owners(lesson):
    folders = [lesson.home.root, lesson.running.run]
    found = [path for folder in folders for path in (folder, *folder.rglob("*"))]
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in found if not path.is_symlink()}
    assert any(stat.S_ISSOCK(path.lstat().st_mode) for path in found)
    inside = {path: oct(mode) for path, mode in modes.items() if mode & 0o077}
    assert not [path for path in folders if path in inside]
    # What pods write themselves is under a folder of mode 0700, whatever their umask is.
    assert not {path: mode for path, mode in inside.items() if lesson.running.run not in path.parents}


def test_only_loopback_ports_that_the_page_names_are_open(lesson):
    """The API on 127.0.0.1; the pod network's own; nothing on an address that others could reach."""
    listening = {
        (each.laddr.ip, each.laddr.port)
        for pid in processes.of(lesson.running.pid)
        for each in psutil.Process(pid).net_connections("inet")
        if each.status == psutil.CONN_LISTEN
    }
    assert all(ip.startswith("127.") for ip, _ in listening), listening
    port = int(lesson.running.server.rpartition(":")[2])
    on_the_node = {number for ip, number in listening if ip == "127.0.0.1"}
    assert port in on_the_node
    assert all(number in NODE_PORTS for number in on_the_node - {port}), on_the_node
    assert {port for _, port in listening if 15000 <= port < 15100} <= OPEN_TO_POD_NETWORK


def test_command_lines_tell_no_secret(lesson):
    token = lesson.home.token.read_text().strip()
    for pid in processes.of(lesson.running.pid):
        assert token not in " ".join(psutil.Process(pid).cmdline())


def test_the_claim_of_an_address_block_says_nothing(lesson):
    """The port that keeps the block is bound and accepts nobody."""
    address = (f"127.{lesson.running.block}.254.254", CLAIM)
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)


_READS = """
import pathlib, sys
for path in map(pathlib.Path, sys.argv[1:]):
    try:
        path.stat(), list(path.iterdir()) if path.is_dir() else path.read_bytes()
        print("reached", path)
    except OSError:
        pass
"""


@pytest.mark.skipif(os.getuid() != 0, reason="to be another account takes root")
def test_another_account_reads_nothing(lesson):
    lesson.root.chmod(0o755)
    home = lesson.home
    pids = processes.of(lesson.running.pid)
    paths = [home.token, home.kubeconfig, home.pki, home.database, home.log, home.stderr, lesson.running.run]
    paths += [Path(f"/proc/{pid}/{name}") for pid in pids for name in ("environ", "fd", "mem", "cwd/.")]
    command = [_interpreter(), "-c", _READS, *map(str, paths)]
    done = subprocess.run(
        command, user=65534, group=65534, extra_groups=[], cwd="/", capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def _interpreter() -> str:
    """One that others may run: that of a virtual environment may be in somebody's home."""
    return "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable


@pytest.mark.parametrize(
    ("path", "answer"), [("healthz", 200), ("version", 200), ("api", 401), ("metrics", 401)]
)
def test_the_api_without_a_token(lesson, path, answer):
    context = ssl.create_default_context(cafile=str(lesson.home.pki / "ca.crt"))
    try:
        with urllib.request.urlopen(f"{lesson.running.server}/{path}", context=context, timeout=10) as found:
            status = found.status
    except urllib.error.HTTPError as refused:
        status = refused.code
    assert status == answer
