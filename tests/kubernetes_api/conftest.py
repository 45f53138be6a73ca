"""One API server for all tests here, whichever it is: nothing may depend on its being ours.

By default it is the embedded cluster's. Where ``KUBEBUILDER_ASSETS`` (the convention of envtest) names a
folder with ``kube-apiserver`` and ``etcd``, it is a real one, started for these tests; where
``LABKIT_CONTEXT`` names a context, it is that whole cluster's. What a bare API server has nobody for is
skipped by name.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from labkit.embedded.store.history import KEPT_PER_RESOURCE
from labkit.errors import ConnectionLost, NotRunning
from labkit.kube.agreement import agree
from labkit.kube.api import Api
from labkit.kube.connect import connect

JSON = "application/json"
TOKEN = "a-token-of-the-tests"
PATIENCE = 30.0  # seconds


@dataclass(frozen=True)
class Answer:
    """What came back for one request, refused or not."""

    code: int
    body: bytes
    headers: urllib3.HTTPHeaderDict

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def warnings(self) -> list[str]:
        return self.headers.getlist("Warning", [])

    @property
    def refusal(self) -> tuple[int, str, str]:
        """Status code, reason and message."""
        return self.code, self.json.get("reason", ""), self.json["message"]

    @property
    def causes(self) -> list[tuple[str, str, str]]:
        found = self.json["details"]["causes"]
        return [(each["field"], each["reason"], each["message"]) for each in found]

    @property
    def names(self) -> list[str]:
        """Of a list's objects."""
        return [each["metadata"]["name"] for each in self.json["items"]]


class Server:
    """An API server and the credentials for it."""

    def __init__(self, api: Api, kubeconfig: Path | None, *, bare: bool = False) -> None:
        self.api, self.kubeconfig, self.bare = api, kubeconfig, bare
        self.made: list[str] = []
        """What stands outside every namespace and goes at the end of the session."""
        headers, tls = api.credentials()
        self._pool = urllib3.PoolManager(headers=headers, ssl_context=tls, retries=False, timeout=PATIENCE)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = JSON,
        accept: str = JSON,
        **query: str,
    ) -> Answer:
        """One request; *body* is made JSON unless it is text."""
        reply = self._send(method, path, body, content_type, accept, query)
        return Answer(reply.status, reply.data, reply.headers)

    def watch(self, path: str, **query: str) -> "Watch":
        """Follow the collection at *path*."""
        return Watch(self._send("GET", path, None, JSON, JSON, {"watch": "1", **query}, stream=True))

    def _send(
        self,
        method: str,
        path: str,
        body: Any,
        content_type: str,
        accept: str,
        query: dict[str, str],
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        headers = {**self._pool.headers, "Accept": accept, "User-Agent": "suite/1"}
        if body is not None:
            headers["Content-Type"] = content_type
        fields = f"?{urlencode(query)}" if query else ""
        data = body if isinstance(body, str | None) else json.dumps(body)
        url = self.api.host + path + fields
        return self._pool.request(method, url, body=data, headers=headers, preload_content=not stream)

    def close(self) -> None:
        self._pool.clear()
        self.api.close()


class Watch:
    """A stream of events; a context, so that the connection is given up."""

    def __init__(self, reply: urllib3.BaseHTTPResponse) -> None:
        self.code = reply.status
        self._reply, self._rest = reply, b""
        self._chunks = reply.stream(None, decode_content=True)

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self._reply.close()

    def next(self) -> dict[str, Any]:
        """The next event; StopIteration where the server has ended the stream."""
        while b"\n" not in self._rest:
            self._rest += next(self._chunks)
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)

    def until(self, kind: str) -> dict[str, Any]:
        """The next event of type *kind*, past the others."""
        while (event := self.next())["type"] != kind:
            pass
        return event

    def rest(self) -> list[dict[str, Any]]:
        """All events until the server ends the stream."""
        events = []
        try:
            while True:
                events.append(self.next())
        except StopIteration:
            return events


# --- whose API server it is


@pytest.fixture(scope="session")
def api_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The API server these tests are about."""
    with tempfile.TemporaryDirectory(prefix="lk-agreed-") as state, pytest.MonkeyPatch.context() as patch:
        server = _server(request)
        patch.setenv("XDG_STATE_HOME", state)
        agree(server.api)
        yield server
        for path in server.made:
            server.ask("DELETE", path)
        server.close()


def _server(request: pytest.FixtureRequest) -> Server:
    if os.environ.get("LABKIT_CONTEXT"):
        return Server(connect(), None)
    if assets():
        real: KubeApiserver = request.getfixturevalue("kube_apiserver")
        return Server(connect(kubeconfig=real.kubeconfig), real.kubeconfig, bare=True)
    return embedded(request)


def embedded(request: pytest.FixtureRequest) -> Server:
    """The embedded cluster's."""
    kubeconfig = request.getfixturevalue("cluster").kubeconfig
    return Server(connect(kubeconfig=kubeconfig), kubeconfig)


@pytest.fixture(scope="session")
def both(request: pytest.FixtureRequest) -> Iterator[list[Server]]:
    """A real API server and the embedded one."""
    real: KubeApiserver = request.getfixturevalue("kube_apiserver")
    bare = Server(connect(kubeconfig=real.kubeconfig), real.kubeconfig, bare=True)
    servers = [bare, embedded(request)]
    yield servers
    for server in servers:
        server.close()


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


@pytest.fixture(scope="session")
def kube_apiserver() -> Iterator[KubeApiserver]:
    """A real ``kube-apiserver`` with its ``etcd``; both end with the tests."""
    folder = assets()
    if folder is None:
        pytest.skip("KUBEBUILDER_ASSETS names no folder with kube-apiserver and etcd")
    root = Path(tempfile.mkdtemp(prefix="lk-api-"))
    running: list[subprocess.Popen[bytes]] = []
    try:
        yield _start(folder, root, running)
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(PATIENCE)
        shutil.rmtree(root)


def _start(programs: Path, root: Path, running: list[subprocess.Popen[bytes]]) -> KubeApiserver:
    etcd, api = free_port(), free_port()
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


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


# --- what a test needs


@pytest.fixture
def needs_controllers(api_server: Server) -> None:
    """Somebody who turns a Deployment into ReplicaSets and collects garbage."""
    if api_server.bare:
        pytest.skip("a bare API server has no controllers")


@pytest.fixture
def needs_pods(api_server: Server) -> None:
    """A kubelet."""
    if api_server.bare:
        pytest.skip("a bare API server has no node to run pods")


@pytest.fixture(scope="module")
def namespace(api_server: Server, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test file's own."""
    name = f"{request.module.__name__.rpartition('.')[2].replace('_', '-')}-{secrets.token_hex(3)}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    assert api_server.ask("POST", "/api/v1/namespaces", body).code == 201
    yield name
    api_server.ask("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def core(namespace: str) -> str:
    """The path of the namespace's core kinds."""
    return f"/api/v1/namespaces/{namespace}"


@pytest.fixture
def deployments(namespace: str) -> str:
    """The path of the namespace's Deployments."""
    return f"/apis/apps/v1/namespaces/{namespace}/deployments"


@pytest.fixture
def virtual_services(api_server: Server, namespace: str) -> str:
    """The path of the namespace's VirtualServices; where Istio is not installed, its kind is."""
    if api_server.ask("GET", "/apis/networking.istio.io/v1").code != 200:
        _install_virtual_service(api_server)
    return f"/apis/networking.istio.io/v1/namespaces/{namespace}/virtualservices"


def _install_virtual_service(server: Server) -> None:
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    group, names = "networking.istio.io", {"kind": "VirtualService", "plural": "virtualservices"}
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": free}}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"virtualservices.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }
    query = {"fieldSelector": f"metadata.name=virtualservices.{group}", "timeoutSeconds": "30"}
    with server.watch(crds, **query) as watch:
        assert server.ask("POST", crds, crd).code == 201
        server.made.append(f"{crds}/virtualservices.{group}")
        while not _is_established(watch.next()["object"]):
            pass
    deadline = time.monotonic() + PATIENCE
    while server.ask("GET", f"/apis/{group}/v1/virtualservices").code == 404:
        assert time.monotonic() < deadline
        time.sleep(0.05)  # the handler follows the condition by a moment, without a word


def _is_established(crd: dict[str, Any]) -> bool:
    conditions = crd.get("status", {}).get("conditions") or []
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)


@pytest.fixture
def config_map(api_server: Server, core: str, request: pytest.FixtureRequest) -> dict[str, Any]:
    """A ConfigMap of the test's own, as created."""
    name = f"m-{secrets.token_hex(3)}"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "v"}}
    return api_server.ask("POST", f"{core}/configmaps", body).json


@pytest.fixture
def deployment() -> dict[str, Any]:
    """A Deployment that wants no pods."""
    return _deployment(f"d-{secrets.token_hex(3)}")


def _deployment(name: str) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "c", "image": "nginx", "ports": [{"containerPort": 80}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
    }


@pytest.fixture
def forgotten(api_server: Server, namespace: str, request: pytest.FixtureRequest) -> str:
    """A version from which on no watch of Leases can go on any more."""
    if os.environ.get("LABKIT_CONTEXT"):
        pytest.skip("somebody's cluster: its history is not used up for a test")
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "old"}}
    old = api_server.ask("POST", path, lease).json["metadata"]["resourceVersion"]
    if not api_server.bare:
        _change(
            api_server, f"{path}/old", times=KEPT_PER_RESOURCE + 1
        )  # more than an embedded history is long
        return "1"
    _change(api_server, f"{path}/old", times=3)
    body = {"revision": _version(api_server, path), "physical": True}
    etcd = request.getfixturevalue("kube_apiserver").etcd
    assert urllib3.request("POST", f"{etcd}/v3/kv/compaction", json=body).status == 200
    return str(old)


def _version(server: Server, path: str) -> str:
    return str(server.ask("GET", path).json["metadata"]["resourceVersion"])


def _change(server: Server, path: str, *, times: int) -> None:
    for number in range(times):
        patch = {"spec": {"leaseTransitions": number}}
        assert server.ask("PATCH", path, patch, content_type="application/merge-patch+json").code == 200


Kubectl = Callable[..., str]


@pytest.fixture
def kubectl(api_server: Server, namespace: str, tmp_path: Path) -> Kubectl:
    """Types a kubectl command in the test file's namespace; returns what it printed, on both channels."""
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("no kubectl here; install it to run this test")
    env = {**os.environ, "KUBECACHEDIR": str(tmp_path / "cache")}
    if api_server.kubeconfig:
        env["KUBECONFIG"] = str(api_server.kubeconfig)
    context = os.environ.get("LABKIT_CONTEXT")
    place = ["-n", namespace, *([f"--context={context}"] if context else [])]

    def run(*words: str, stdin: Any = "", code: int = 0) -> str:
        text = stdin if isinstance(stdin, str) else json.dumps(stdin)
        command = [program, *place, *words]
        done = subprocess.run(command, env=env, input=text, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run
