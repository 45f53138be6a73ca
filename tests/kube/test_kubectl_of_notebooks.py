"""``!kubectl`` in a notebook: about the embedded cluster where nobody has said otherwise."""

import os

import pytest

from labkit.errors import NotRunning
from labkit.kube.connect import connect

pytestmark = pytest.mark.slow


def test_kubectl_uses_the_cluster_of_the_notebook(cluster, monkeypatch):
    monkeypatch.delenv("KUBECONFIG")
    connect().close()
    mine = {name: value for name, value in cluster.env.items() if name != "KUBECONFIG"}
    mine |= {"KUBECONFIG": os.environ["KUBECONFIG"]}
    assert "istiod" in cluster.kubectl("get", "pods", "-n", "istio-system", env=mine)


def test_what_somebody_set_stays(cluster, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", "/elsewhere")
    connect().close()
    assert os.environ["KUBECONFIG"] == "/elsewhere"


def test_a_context_is_still_looked_for_in_the_usual_file(cluster, monkeypatch, tmp_path):
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    connect().close()
    with pytest.raises(NotRunning, match=str(tmp_path / ".kube" / "config")):
        connect(context="somebody's")
