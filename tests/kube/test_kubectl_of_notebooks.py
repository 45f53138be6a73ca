"""``!kubectl`` in a notebook: about the embedded cluster where nobody has said otherwise."""

import json
import os
import sys

import pytest

from labkit import Lab
from labkit.errors import NotRunning
from labkit.kube.connecting.connect import connect

pytestmark = pytest.mark.slow

CELL = "from labkit import Lab; lab = Lab()\n!kubectl get pods -n istio-system"
TWICE = "lab = Lab(); import os, json; print(json.dumps(os.environ['KUBECONFIG']))"


def _ipython(bench, code, **env):
    mine = {name: value for name, value in bench.env.items() if name != "KUBECONFIG"}
    return bench.run(sys.executable, "-m", "IPython", "--no-banner", "-c", code, env=mine | env).stdout


def test_kubectl_uses_the_cluster_of_the_notebook(cluster):
    assert "istiod" in _ipython(cluster, CELL)


def test_what_somebody_set_stays(cluster):
    shown = _ipython(cluster, f"from labkit import Lab; {TWICE}", KUBECONFIG="/elsewhere")
    assert json.loads(shown.splitlines()[-1]) == "/elsewhere"


def test_a_context_is_still_looked_for_in_the_usual_file(cluster, tmp_path):
    code = f"from labkit import Lab; {TWICE}; Lab(context='theirs')"
    mine = {name: value for name, value in cluster.env.items() if name != "KUBECONFIG"}
    done = cluster.run(
        *(sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", "-c", code),
        env=mine | {"HOME": str(tmp_path)},
        check=False,
    )
    assert str(tmp_path / ".kube" / "config") in done.stdout + done.stderr


def test_plain_python_finds_its_environment_as_it_was(cluster, monkeypatch, tmp_path):
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    before, modules = dict(os.environ), {name for name, module in sys.modules.items() if module is None}
    Lab().close()
    connect().close()
    with pytest.raises(NotRunning, match="theirs"):
        connect(context="theirs")
    assert dict(os.environ) == before
    assert {name for name, module in sys.modules.items() if module is None} == modules
