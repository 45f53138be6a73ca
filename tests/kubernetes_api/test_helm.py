"""A real helm: a chart installed, tested, changed, rolled back and taken off, with hooks.

Skipped where neither the variable ``HELM`` nor PATH names one.
"""

import json
import os
import shutil
import subprocess

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("needs_pods")]

HOOK = """
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-prepare
  annotations: {"helm.sh/hook": "pre-install,pre-upgrade", "helm.sh/hook-delete-policy": before-hook-creation}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
      - {name: prepare, image: busybox, command: [sh, -c, "echo prepared; exit {{ .Values.status }}"]}
"""
KIND = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: brews.helm.labkit}
spec:
  group: helm.labkit
  scope: Namespaced
  names: {kind: Brew, plural: brews}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
"""
OBJECT = """
apiVersion: helm.labkit/v1
kind: Brew
metadata: {name: {{ .Release.Name }}}
"""


@pytest.fixture(scope="module")
def helm(api_server, namespace, tmp_path_factory):
    """Types a command; what it printed."""
    program = os.environ.get("HELM") or shutil.which("helm")
    if program is None:
        pytest.skip("no helm: neither HELM nor PATH has one")
    folder = tmp_path_factory.mktemp("helm")
    places = {f"HELM_{kind}_HOME": str(folder / kind) for kind in ("CACHE", "CONFIG", "DATA")}
    env = {**os.environ, **places, "KUBECONFIG": str(api_server.kubeconfig), "HELM_NAMESPACE": namespace}

    def typed(*words, code=0):
        command = [program, *words]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    typed("create", "web")
    chart = folder / "web"
    (chart / "templates" / "prepare.yaml").write_text(HOOK)
    (chart / "templates" / "brew.yaml").write_text(OBJECT)
    (chart / "crds").mkdir()
    (chart / "crds" / "brews.yaml").write_text(KIND)
    with (chart / "values.yaml").open("a") as values:
        values.write("\nstatus: 0\n")
    yield typed
    api_server.ask("DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/brews.helm.labkit")


def test_the_life_of_a_release(helm, api_server, namespace):
    deployment = f"/apis/apps/v1/namespaces/{namespace}/deployments/shop-web"
    told = helm("install", "shop", "web", "--wait", "--timeout", "60s")
    assert "STATUS: deployed" in told
    assert api_server.ask("GET", deployment).json["status"]["readyReplicas"] == 1
    job = f"/apis/batch/v1/namespaces/{namespace}/jobs/shop-prepare"
    assert api_server.ask("GET", job).json["status"]["succeeded"] == 1
    assert api_server.ask("GET", f"/apis/helm.labkit/v1/namespaces/{namespace}/brews/shop").code == 200
    assert "Phase:          Succeeded" in helm("test", "shop", "--logs")

    helm("upgrade", "shop", "web", "--set", "replicaCount=2", "--wait")
    assert api_server.ask("GET", deployment).json["status"]["readyReplicas"] == 2
    helm("rollback", "shop", "1", "--wait")
    assert api_server.ask("GET", deployment).json["spec"]["replicas"] == 1
    states = [each["status"] for each in json.loads(helm("history", "shop", "-o", "json"))]
    assert states == ["superseded", "superseded", "deployed"]
    (release,) = json.loads(helm("list", "-o", "json"))
    assert (release["name"], release["revision"], release["chart"]) == ("shop", "3", "web-0.1.0")

    assert 'release "shop" uninstalled' in helm("uninstall", "shop", "--wait")
    assert api_server.ask("GET", deployment).code == 404
    assert json.loads(helm("list", "--all", "-o", "json")) == []


def test_a_hook_that_fails_stops_the_release(helm, api_server, namespace):
    told = helm("install", "bad", "web", "--set", "status=3", "--timeout", "60s", code=1)
    assert "failed pre-install" in told
    assert "BackoffLimitExceeded" in told
    assert api_server.ask("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments/bad-web").code == 404
    (release,) = json.loads(helm("list", "--all", "-o", "json"))
    assert release["status"] == "failed"
    helm("uninstall", "bad")


def test_a_dry_run_changes_nothing(helm, api_server, namespace):
    told = helm("install", "dry", "web", "--dry-run=server")
    assert "kind: Deployment" in told
    assert api_server.ask("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments/dry-web").code == 404
