"""A real ``kube-apiserver`` with its ``etcd``, started for the tests from programs that are there."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from labkit.errors import ConnectionLost, NotRunning
from labkit.kube.connecting.connect import connect

from .server import PATIENCE, Server

TOKEN = "a-token-of-the-tests"


def assets() -> Path | None:
    """The folder with a real API server's programs."""
    named = os.environ.get("KUBEBUILDER_ASSETS", "")
    folder = Path(named)
    there = bool(named) and all((folder / each).is_file() for each in ("etcd", "kube-apiserver"))
    return folder if there else None


@dataclass(frozen=True)
class KubeApiserver:
    """A real ``kube-apiserver`` that runs, and where its ``etcd`` listens."""

    kubeconfig: Path
    etcd: str


@contextmanager
def running(programs: Path) -> Iterator[KubeApiserver]:
    """A real ``kube-apiserver`` with its ``etcd``; both end with the context."""
    root = Path(tempfile.mkdtemp(prefix="lk-api-"))
    processes: list[subprocess.Popen[bytes]] = []
    try:
        yield _start(programs, root, processes)
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(PATIENCE)
        shutil.rmtree(root)


def _start(programs: Path, root: Path, running: list[subprocess.Popen[bytes]]) -> KubeApiserver:
    etcd, api = _free_port(), _free_port()
    running.append(_run(root, programs / "etcd", *_etcd_flags(root, etcd)))
    running.append(_run(root, programs / "kube-apiserver", *_api_flags(root, etcd, api)))
    kubeconfig = _write_kubeconfig(root, api)
    _wait_until_ready(kubeconfig, running, root)
    return KubeApiserver(kubeconfig, f"http://127.0.0.1:{etcd}")


def _run(root: Path, program: Path, *flags: str) -> subprocess.Popen[bytes]:
    log = (root / f"{program.name}.log").open("wb")
    with log:
        return subprocess.Popen([program, *flags], cwd=root, stdout=log, stderr=log)


def _etcd_flags(root: Path, port: int) -> list[str]:
    url = f"http://127.0.0.1:{port}"
    return [
        f"--data-dir={root / 'etcd'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        "--listen-peer-urls=http://127.0.0.1:0",
        "--unsafe-no-fsync",
    ]


def _api_flags(root: Path, etcd: int, port: int) -> list[str]:
    (root / "tokens.csv").write_text(f"{TOKEN},admin,admin,system:masters\n", encoding="utf-8")
    key = root / "sa.key"
    key.write_bytes(_new_key())
    return [
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={root / 'certs'}",
        f"--token-auth-file={root / 'tokens.csv'}",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--authorization-mode=RBAC",
        "--watch-cache-sizes=leases.coordination.k8s.io#0",  # so that what etcd forgets is forgotten
        "--disable-admission-plugins=ServiceAccount",  # no controller makes the account `default` here
    ]


def _new_key() -> bytes:
    """A private key, as PEM, to sign service accounts' tokens with."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, plain)


def _write_kubeconfig(root: Path, port: int) -> Path:
    authority = str(root / "certs" / "apiserver.crt")  # the server makes it; its own authority is in it
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": authority}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "bare", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": TOKEN}}],
        "contexts": [{"name": "bare", "context": {"cluster": "bare", "user": "admin"}}],
        "current-context": "bare",
    }
    (root / "kubeconfig").write_text(json.dumps(config), encoding="utf-8")
    return root / "kubeconfig"


def _wait_until_ready(kubeconfig: Path, running: list[subprocess.Popen[bytes]], root: Path) -> None:
    """Ask ``/readyz`` until it says yes; a process that has ended meanwhile shows its last words."""
    deadline = time.monotonic() + 2 * PATIENCE
    while time.monotonic() < deadline:
        for process in running:
            assert process.poll() is None, _last_words(root)
        with suppress(ConnectionLost, NotRunning):  # the latter: there is no certificate yet
            server = Server(connect(kubeconfig=kubeconfig), kubeconfig)
            if server.ask("GET", "/readyz").code == 200:
                return server.close()
        time.sleep(0.1)  # between two questions to something that can't call back
    pytest.fail(_last_words(root))


def _last_words(root: Path) -> str:
    return "\n".join(log.read_text(errors="replace")[-3000:] for log in root.glob("*.log"))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
