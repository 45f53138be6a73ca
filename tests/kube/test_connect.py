"""Finding the cluster."""

import tempfile
from pathlib import Path

import pytest

from labkit.errors import ClusterError, ConnectionLost, NotRunning
from labkit.kube.connect import connect


def config(path, server, **user):
    import yaml

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
