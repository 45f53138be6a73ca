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
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from labkit.embedded.store.history import KEPT_PER_RESOURCE
from labkit.kube.connecting.agreement import agree
from labkit.kube.connecting.connect import connect

from .kube_apiserver import KubeApiserver, assets, running
from .server import PATIENCE, Server

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


@pytest.fixture(scope="session")
def kube_apiserver() -> Iterator[KubeApiserver]:
    """A real API server."""
    programs = assets()
    if programs is None:
        pytest.skip("KUBEBUILDER_ASSETS names no folder with kube-apiserver and etcd")
    with running(programs) as started:
        yield started


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
