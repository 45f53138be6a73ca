"""The book on a cluster that is reached by a kubeconfig alone, by a labkit that has no embedded cluster.

That cluster is an embedded one, but nothing tells so: its kubeconfig is a copy, what it says about its
ports is taken away, and ``labkit.embedded`` can't be imported where the book runs.
"""

import os
import shutil

import pytest

pytestmark = pytest.mark.slow

NO_EMBEDDED_CLUSTER = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".embedded")[0] == "labkit" and name != "labkit":
            raise ModuleNotFoundError(f"No module named {name!r} here", name=name)

sys.meta_path.insert(0, Missing())
"""


@pytest.fixture
def elsewhere(bench, tmp_path):
    """The environment of somebody who has a kubeconfig and half of labkit."""
    bench.labkit("up")
    bench.kubectl("delete", "configmap", "labkit-load-balancer", "-n", "kube-public")
    (tmp_path / "sitecustomize.py").write_text(NO_EMBEDDED_CLUSTER)
    mine = {
        "KUBECONFIG": shutil.copy(bench.kubeconfig, tmp_path / "given"),
        "PYTHONPATH": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    return {key: value for key, value in os.environ.items() if not key.startswith("LABKIT_")} | mine


def test_nothing_runs_before_a_yes(bench, elsewhere, tmp_path):
    before = bench.get("namespaces")["items"]
    done = bench.labkit("run", "--context", "labkit", "-o", tmp_path / "out", env=elsewhere, check=False)

    assert done.returncode == 1
    assert "labkit look --context labkit --yes" in done.stderr
    assert [ns["metadata"]["name"] for ns in bench.get("namespaces")["items"]] == [
        ns["metadata"]["name"] for ns in before
    ]


@pytest.mark.timeout(300)
def test_every_notebook_runs(bench, elsewhere, tmp_path):
    bench.labkit("look", "--context", "labkit", "--yes", env=elsewhere)
    output = tmp_path / "out"
    done = bench.labkit("run", "--context", "labkit", "-o", output, env=elsewhere, timeout=280)

    assert "7 of 7 notebooks passed" in done.stdout
    assert len(list(output.glob("*.html"))) == 7
    pods = bench.get("pods", "-n", "istio-system", "-l", "app=istio-egressgateway")["items"]
    assert [pod["metadata"]["annotations"]["inject.istio.io/templates"] for pod in pods] == ["gateway"]


def test_the_embedded_cluster_is_really_out_of_reach(bench, elsewhere):
    done = bench.labkit("up", env=elsewhere, check=False)

    assert "No module named 'labkit.embedded" in done.stderr


def test_istioctl_is_named_where_only_it_can_help(bench, elsewhere):
    """Where there is no Istio, the very command is said, and nothing is done."""
    bench.labkit("look", "--context", "labkit", "--yes", env=elsewhere)
    bench.kubectl("delete", "deployment", "istiod", "-n", "istio-system")

    done = bench.labkit("istio", "install", "-y", "--context", "labkit", *LESSON, env=elsewhere, check=False)

    assert done.returncode == 1
    assert "istioctl install -y --context=labkit" in done.stderr
    assert "meshConfig.accessLogFile=/dev/stdout" in done.stderr


def test_istioctl_is_called_where_it_is(bench, elsewhere, tmp_path):
    """One of the test's own, which notes how it was called, tells of one step and then fails."""
    bench.labkit("look", "--context", "labkit", "--yes", env=elsewhere)
    bench.kubectl("delete", "deployment", "istiod", "-n", "istio-system")
    istioctl = tmp_path / "istioctl"
    istioctl.write_text(
        f"#!/bin/sh\necho $* > {tmp_path}/called\necho '✔ Istio core installed'\necho no room; exit 3\n"
    )
    istioctl.chmod(0o755)
    env = elsewhere | {"PATH": f"{tmp_path}{os.pathsep}{elsewhere['PATH']}"}

    done = bench.labkit("istio", "install", "-y", "--context", "labkit", *LESSON, env=env, check=False)

    assert done.returncode == 1
    assert "Istio core installed" in done.stdout
    assert "istioctl failed: ✔ Istio core installed no room" in done.stderr
    assert "install -y --context=labkit --set meshConfig.accessLogFile" in (tmp_path / "called").read_text()


LESSON = ["--set", "meshConfig.accessLogFile=/dev/stdout"]
