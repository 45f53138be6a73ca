"""What kubectl prints when it talks to this server, whatever its version."""

import re
from pathlib import Path

import pytest

VIRTUAL_SERVICE = """
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: route, namespace: dev}
spec:
  hosts: [a]
  http:
  - route:
    - {destination: {host: a}, weight: 50}
    - {destination: {host: b}, weight: 50}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: dev}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: "app:1"}]}
"""


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    file = tmp_path / "both.yml"
    file.write_text(f"{DEPLOYMENT}---{VIRTUAL_SERVICE}")
    return str(file)


def test_create_label_and_get_a_namespace(kubectl):
    assert kubectl("create", "namespace", "mine") == "namespace/mine created\n"
    assert kubectl("label", "namespace", "mine", "istio-injection=enabled") == "namespace/mine labeled\n"
    shown = kubectl("get", "namespace", "mine", "--show-labels").splitlines()
    assert shown[0].split() == ["NAME", "STATUS", "AGE", "LABELS"]
    assert shown[1].split()[:2] == ["mine", "Active"]
    assert "istio-injection=enabled" in shown[1]
    taken = kubectl("create", "namespace", "mine", fails=True)
    assert 'namespaces "mine" already exists' in taken


def test_apply_knows_created_unchanged_and_configured(kubectl, manifest: str):
    first = kubectl("apply", "-f", manifest)
    assert first.splitlines() == [
        "deployment.apps/web created",
        "virtualservice.networking.istio.io/route created",
    ]
    assert kubectl("apply", "-f", manifest).count("unchanged") == 2
    assert kubectl("diff", "-f", manifest) == ""
    Path(manifest).write_text(Path(manifest).read_text().replace("weight: 50", "weight: 10", 1))
    assert "-weight: 50" in re.sub(r"\s+", "", kubectl("diff", "-f", manifest, fails=True)).replace(
        "-weight:50", "-weight: 50"
    )
    changed = kubectl("apply", "-f", manifest)
    assert "virtualservice.networking.istio.io/route configured" in changed
    assert "deployment.apps/web unchanged" in changed


def test_server_side_apply_reports_conflicts(kubectl, manifest: str):
    assert kubectl("apply", "--server-side", "-f", manifest).count("serverside-applied") == 2
    kubectl("scale", "deployment", "web", "-n", "dev", "--replicas=3")
    refused = kubectl("apply", "--server-side", "-f", manifest, fails=True)
    assert "Apply failed with 1 conflict" in refused
    assert ".spec.replicas" in refused
    kubectl("apply", "--server-side", "--force-conflicts", "-f", manifest)
    assert kubectl("get", "deployment", "web", "-n", "dev", "-o", "jsonpath={.spec.replicas}") == "1"


def test_dry_run_on_the_server_changes_nothing(kubectl, manifest: str):
    printed = kubectl("apply", "--dry-run=server", "-f", manifest)
    assert printed.count("created (server dry run)") == 2
    assert "No resources found" in kubectl("get", "deployments,virtualservices", "-n", "dev")


def test_create_scale_patch_annotate_delete_a_deployment(kubectl):
    kubectl("create", "deployment", "web", "--image=app:1", "-n", "dev")
    assert "deployment.apps/web scaled" in kubectl("scale", "deployment/web", "--replicas=2", "-n", "dev")
    patch = '{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"app:2"}]}}}}'
    assert "patched" in kubectl("patch", "deployment", "web", "-n", "dev", "-p", patch)
    kubectl("annotate", "deployment", "web", "note=yes", "-n", "dev")
    shown = kubectl("get", "deployment", "web", "-n", "dev", "-o", "wide").splitlines()
    assert shown[0].split() == [
        "NAME",
        "READY",
        "UP-TO-DATE",
        "AVAILABLE",
        "AGE",
        "CONTAINERS",
        "IMAGES",
        "SELECTOR",
    ]
    assert shown[1].split()[:2] == ["web", "0/2"]
    assert "app:2" in shown[1]
    described = kubectl("describe", "deployment", "web", "-n", "dev")
    assert "note: yes" in described
    assert "StrategyType:           RollingUpdate" in described
    assert kubectl("delete", "deployment", "web", "-n", "dev").startswith('deployment.apps "web" deleted')
    assert "NotFound" in kubectl("get", "deployment", "web", "-n", "dev", fails=True)


def test_short_names_categories_and_groups(kubectl, manifest: str):
    kubectl("apply", "-f", manifest)
    assert kubectl("get", "vs", "-n", "dev").splitlines()[0].split() == ["NAME", "GATEWAYS", "HOSTS", "AGE"]
    assert "deployment.apps/web" in kubectl("get", "all", "-n", "dev")
    assert "virtualservice.networking.istio.io/route" in kubectl("get", "istio-io", "-n", "dev", "-o", "name")
    old = kubectl("get", "virtualservices.v1beta1.networking.istio.io", "route", "-n", "dev", "-o", "yaml")
    assert "apiVersion: networking.istio.io/v1beta1" in old


def test_api_resources_and_explain(kubectl):
    listed = kubectl("api-resources")
    assert re.search(r"virtualservices +vs +networking\.istio\.io/v1 +true +VirtualService", listed)
    assert "weight" in kubectl("explain", "virtualservice.spec.http.route")
    assert "Number of desired pods" in kubectl("explain", "deployment.spec.replicas")


def test_mistakes_are_named(kubectl, tmp_path: Path):
    file = tmp_path / "wrong.yml"
    file.write_text(DEPLOYMENT.replace("replicas: 1", "replicass: 1"))
    assert "replicass" in kubectl("apply", "-f", str(file), fails=True)
    file.write_text(DEPLOYMENT.replace("kind: Deployment", "kind: Deploymint"))
    assert 'no matches for kind "Deploymint" in version "apps/v1"' in kubectl(
        "apply", "-f", str(file), fails=True
    )
    assert "the server doesn't have a resource type" in kubectl("get", "unicorns", fails=True)
    unknown = kubectl("get", "pods", "--field-selector=colour=red", fails=True)
    assert "field label not supported: colour" in unknown
    assert 'namespaces "nowhere" not found' in kubectl(
        "create", "configmap", "a", "-n", "nowhere", fails=True
    )


def test_secrets_config_maps_and_accounts_are_created(kubectl):
    kubectl("create", "configmap", "a", "--from-literal=key=value", "-n", "dev")
    kubectl("create", "secret", "generic", "b", "--from-literal=key=value", "-n", "dev")
    kubectl("create", "serviceaccount", "c", "-n", "dev")
    assert kubectl("get", "configmap", "a", "-n", "dev", "-o", "jsonpath={.data.key}") == "value"
    assert kubectl("get", "secret", "b", "-n", "dev", "-o", "jsonpath={.data.key}") == "dmFsdWU="
    assert kubectl("get", "cm,secret,sa", "-n", "dev", "-o", "name").split() == [
        "configmap/a",
        "secret/b",
        "serviceaccount/c",
    ]


def test_a_pod_its_log_and_its_end(kubectl, api):
    kubectl("run", "web", "--image=app:1", "-n", "dev")
    assert kubectl("logs", "web", "-n", "dev") == "first line\nsecond line\n"
    kubectl("logs", "-l", "run=web", "-n", "dev", "--tail=3")
    assert api.node.asked[-1].tail_lines == 3
    kubectl("delete", "pod", "web", "-n", "dev")
    assert "No resources found" in kubectl("get", "pods", "-n", "dev")


def test_delete_waits_for_finalizers(kubectl, api):
    """kubectl watches what it deletes until it is gone: nothing here removes the finalizer but the test."""
    import threading

    meta = {"name": "held", "namespace": "dev", "finalizers": ["example.com/mine"]}
    api.inside(lambda: api.client.create("configmaps", {"metadata": meta}))

    def release() -> None:
        api.client.patch("configmaps", "held", "dev", {"metadata": {"finalizers": None}})

    timer = threading.Timer(0.5, lambda: api.inside(release))
    timer.start()
    assert "deleted" in kubectl("delete", "configmap", "held", "-n", "dev", "--timeout=20s")
    timer.join()


def test_wait_and_rollout_status_see_what_happens_later(kubectl, api, manifest: str):
    import threading

    kubectl("apply", "-f", manifest)

    def finish() -> None:
        condition = {
            "type": "Available",
            "status": "True",
            "reason": "x",
            "message": "",
            "lastUpdateTime": None,
        }
        counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
        status = {"observedGeneration": 1, **counts, "conditions": [condition]}
        api.client.patch("deployments.apps", "web", "dev", {"status": status}, subresource="status")

    timer = threading.Timer(0.5, lambda: api.inside(finish))
    timer.start()
    rolled_out = kubectl("rollout", "status", "deployment/web", "-n", "dev", "--timeout=20s")
    assert rolled_out.endswith('deployment "web" successfully rolled out\n')
    timer.join()
    waited = kubectl("wait", "--for=condition=Available", "deployment/web", "-n", "dev", "--timeout=20s")
    assert waited == "deployment.apps/web condition met\n"


def test_who_am_i_and_what_may_i_do(kubectl):
    assert kubectl("auth", "can-i", "create", "pods").strip() == "yes"
    assert kubectl("get", "--raw", "/healthz") == "ok"
    assert "v1.34.2+labkit" in kubectl("get", "--raw", "/version")
    assert kubectl("auth", "can-i", "--list").splitlines()[1].split() == ["*.*", "[]", "[]", "[*]"]
