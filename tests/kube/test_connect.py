"""Finding the cluster."""

import base64
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from kubernetes.config import incluster_config

from labkit.errors import ApiRefused, ClusterError, ConnectionLost, NotRunning
from labkit.kube.connecting.connect import connect

PLUG_IN = """
import json
status = {"token": "from-a-plug-in"}
version = "client.authentication.k8s.io/v1"
print(json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status}))
"""


def config(path, server, **user):
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "first",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user or {"token": "secret"}}],
        "contexts": [
            {"name": "first", "context": {"cluster": "c", "user": "u"}},
            {"name": "second", "context": {"cluster": "c", "user": "u", "namespace": "mine"}},
        ],
    }
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def kubeconfig(tmp_path, server):
    server.answer("GET", "/version", {})
    return config(tmp_path / "config", f"http://127.0.0.1:{server.server_port}")


def test_the_current_context(kubeconfig, server):
    api = connect(kubeconfig=kubeconfig)

    assert (api.context, api.namespace) == ("first", "default")
    assert server.requests[-1][4]["authorization"] == "Bearer secret"


def test_another_context(kubeconfig):
    assert connect(kubeconfig=kubeconfig, context="second").namespace == "mine"


def test_the_context_of_the_environment(kubeconfig, monkeypatch):
    monkeypatch.setenv("LABKIT_CONTEXT", "second")

    assert connect(kubeconfig=kubeconfig).context == "second"


def test_no_such_context(kubeconfig):
    with pytest.raises(NotRunning, match=r"context 'third' in .*get-contexts"):
        connect(kubeconfig=kubeconfig, context="third")


def test_no_such_file(tmp_path):
    with pytest.raises(NotRunning, match="get-contexts"):
        connect(kubeconfig=tmp_path / "nothing")


@pytest.mark.parametrize("text", ["a: [", "just words", "{apiVersion: v1, kind: Config, clusters: 5}"])
def test_a_file_that_is_no_kubeconfig(tmp_path, text):
    (tmp_path / "notes").write_text(text)
    with pytest.raises(NotRunning, match="notes: it is no kubeconfig"):
        connect(kubeconfig=tmp_path / "notes")


def test_nobody_there(tmp_path, unused_tcp_port):
    with pytest.raises(ConnectionLost, match=f"127.0.0.1:{unused_tcp_port}"):
        connect(kubeconfig=config(tmp_path / "config", f"http://127.0.0.1:{unused_tcp_port}"))


def test_the_wrong_certificate(tmp_path, server):
    """A server that speaks no TLS stands for one whose certificate is not trusted."""
    with pytest.raises(ClusterError):
        connect(kubeconfig=config(tmp_path / "config", f"https://127.0.0.1:{server.server_port}"))


@pytest.mark.slow
def test_no_file_is_left(cluster, monkeypatch, tmp_path):
    """The client writes certificates and discovery caches where it can; not here."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    with_files = connect(kubeconfig=cluster.kubeconfig)
    with_files.get("/api/v1/namespaces")

    assert not list(Path(tmp_path).iterdir())


def test_a_token_that_was_renewed_since(kubeconfig, server):
    api = connect(kubeconfig=kubeconfig)
    config(kubeconfig, api.host, token="newer")
    server.answer("GET", "/secret", {})
    server.guard = "Bearer newer"

    assert api.get("/secret") == {}


def test_a_token_that_stays_refused_is_a_sentence(kubeconfig, server):
    api = connect(kubeconfig=kubeconfig)
    server.refuse("GET", "/secret", 401, "Unauthorized", "Unauthorized")

    with pytest.raises(ApiRefused, match="Log in again"):
        api.get("/secret")


def test_a_pod_without_a_service_account(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    with pytest.raises(NotRunning, match="no pod of a cluster"):
        connect(context="in-cluster")


def test_a_pod_with_a_service_account(cluster, monkeypatch, tmp_path):
    """As the kubelet gives it to a pod: two variables, and a folder with token, CA and namespace."""
    known = yaml.safe_load(cluster.kubeconfig.read_text())
    where = known["clusters"][0]["cluster"]
    url = urlsplit(where["server"])
    (tmp_path / "token").write_text(known["users"][0]["user"]["token"])
    (tmp_path / "ca.crt").write_bytes(base64.b64decode(where["certificate-authority-data"]))
    (tmp_path / "namespace").write_text("jupyter-anna")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", url.hostname)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(url.port))

    api = connect(context="in-cluster")

    assert (api.namespace, api.shared, api.agreed) == ("jupyter-anna", True, False)
    assert "default" in [one["metadata"]["name"] for one in api.items("/api/v1/namespaces")]
    api.close()


def test_a_plug_in_that_logs_in(tmp_path, server):
    server.answer("GET", "/version", {})
    plug_in = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["-c", PLUG_IN],
        "interactiveMode": "Never",
    }

    connect(kubeconfig=config(tmp_path / "config", f"http://127.0.0.1:{server.server_port}", exec=plug_in))

    assert server.requests[-1][4]["authorization"] == "Bearer from-a-plug-in"
