"""The scenario's commands, typed into the real kubectl."""

import json
import secrets

import pytest


@pytest.fixture
def name():
    return f"k-{secrets.token_hex(3)}"


@pytest.fixture
def manifest(deployment, name):
    """A Service and its Deployment, as one file holds them."""
    labels = {"app": name}
    deployment["metadata"]["name"] = name
    deployment["spec"]["selector"]["matchLabels"] = labels
    deployment["spec"]["template"]["metadata"]["labels"] = labels
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": labels, "ports": ports},
    }
    return {"apiVersion": "v1", "kind": "List", "items": [service, deployment]}


@pytest.fixture
def applied(kubectl, manifest):
    kubectl("apply", "-f", "-", stdin=manifest)
    return manifest


def _replicas(manifest, count):
    manifest["items"][1]["spec"]["minReadySeconds"] = count
    return manifest


def test_apply_three_times(kubectl, manifest, name):
    first = kubectl("apply", "-f", "-", stdin=manifest)
    assert first == f"service/{name} created\ndeployment.apps/{name} created\n"
    again = kubectl("apply", "-f", "-", stdin=manifest)
    assert again == f"service/{name} unchanged\ndeployment.apps/{name} unchanged\n"
    changed = kubectl("apply", "-f", "-", stdin=_replicas(manifest, 5))
    assert changed == f"service/{name} unchanged\ndeployment.apps/{name} configured\n"


def test_apply_on_the_server(kubectl, manifest, name):
    done = kubectl("apply", "--server-side", "-f", "-", stdin=manifest)
    assert done == f"service/{name} serverside-applied\ndeployment.apps/{name} serverside-applied\n"
    _replicas(manifest, 5)
    words = ("apply", "--server-side", "--field-manager=other", "-f", "-")
    assert kubectl(*words, stdin=manifest).count("serverside-applied") == 2
    refused = kubectl(*words[:2], "--field-manager=third", "-f", "-", stdin=_replicas(manifest, 6), code=1)
    assert 'conflict with "other": .spec.minReadySeconds' in refused


def test_diff(kubectl, applied, name):
    assert kubectl("diff", "-f", "-", stdin=applied) == ""
    shown = kubectl("diff", "-f", "-", stdin=_replicas(applied, 5), code=1)
    assert "\n+  minReadySeconds: 5\n" in shown


def test_get_in_all_forms(kubectl, applied, name, namespace):
    header, row = kubectl("get", "deployment", name, "-o", "wide").splitlines()
    assert " ".join(header.split()) == "NAME READY UP-TO-DATE AVAILABLE AGE CONTAINERS IMAGES SELECTOR"
    assert row.split()[:2] == [name, "0/0"]
    assert row.split()[-3:] == ["c", "nginx", f"app={name}"]
    found = json.loads(kubectl("get", "deploy,svc", "-l", f"!x,app!={name}", "-o", "json"))
    assert (found["kind"], found["apiVersion"]) == ("List", "v1")
    assert kubectl("get", f"service/{name}", "-o", "name") == f"service/{name}\n"
    path = '{.spec.ports[?(@.name=="http")].port}'
    assert kubectl("get", "service", name, "-o", f"jsonpath={path}") == "80"
    columns = "custom-columns=WHO:.metadata.name,WHERE:.metadata.namespace"
    assert kubectl("get", "svc", name, "-o", columns).split() == ["WHO", "WHERE", name, namespace]


def test_get_of_nothing(kubectl, name):
    refused = kubectl("get", "deployment", name, code=1)
    assert refused == f'Error from server (NotFound): deployments.apps "{name}" not found\n'
    assert kubectl("get", "deployment", name, "--ignore-not-found") == ""


def test_describe(kubectl, applied, name):
    shown = kubectl("describe", "deployment", name)
    assert f"Selector:               app={name}" in shown
    assert "StrategyType:           RollingUpdate" in shown
    assert "Image:         nginx" in shown
    assert "TargetPort:               8080/TCP" in kubectl("describe", "service", name)


def test_label_and_annotate(kubectl, applied, name):
    assert kubectl("label", "service", name, "tier=front") == f"service/{name} labeled\n"
    assert "tier" in kubectl("label", "service", name, "tier=back", code=1)
    assert kubectl("label", "service", name, "tier=back", "--overwrite") == f"service/{name} labeled\n"
    assert kubectl("get", "svc", "-l", "tier=back", "-o", "name") == f"service/{name}\n"
    assert kubectl("label", "service", name, "tier-") == f"service/{name} unlabeled\n"
    assert kubectl("annotate", "service", name, "a=b") == f"service/{name} annotated\n"


def test_label_a_namespace_for_injection(kubectl, namespace):
    words = ("label", "namespace", namespace, "istio-injection=disabled", "--overwrite")
    assert kubectl(*words) == f"namespace/{namespace} labeled\n"
    assert "disabled" in kubectl("get", "namespace", namespace, "-L", "istio-injection")


def test_scale_and_back(kubectl, applied, name):
    assert kubectl("scale", "deployment", name, "--replicas=1") == f"deployment.apps/{name} scaled\n"
    scaled = kubectl("get", "deployment", name, "-o", "jsonpath={.spec.replicas}")
    kubectl("scale", "deployment", name, "--replicas=0", "--current-replicas=1")
    assert scaled == "1"
    assert "Expected replicas to be 7" in kubectl(
        "scale", "deployment", name, "--replicas=1", "--current-replicas=7", code=1
    )


def test_patch_and_set(kubectl, applied, name):
    patch = json.dumps({"spec": {"minReadySeconds": 4}})
    assert kubectl("patch", "deployment", name, "-p", patch) == f"deployment.apps/{name} patched\n"
    assert kubectl("patch", "deployment", name, "-p", patch).endswith("patched (no change)\n")
    done = kubectl("set", "image", f"deployment/{name}", "c=nginx:2")
    assert done == f"deployment.apps/{name} image updated\n"
    done = kubectl("set", "env", f"deployment/{name}", "A=1")
    assert done == f"deployment.apps/{name} env updated\n"


def test_create_and_edit_in_a_pipe(kubectl, name):
    text = kubectl("create", "configmap", name, "--from-literal=a=1", "--dry-run=server", "-o", "json")
    assert json.loads(text)["metadata"]["uid"]
    assert kubectl("create", "configmap", name, "--from-literal=a=1") == f"configmap/{name} created\n"
    kept = json.loads(kubectl("get", "configmap", name, "-o", "json"))
    kept["data"]["a"] = "2"
    assert kubectl("replace", "-f", "-", stdin=kept) == f"configmap/{name} replaced\n"


def test_delete_waits_until_it_is_gone(kubectl, name, namespace):
    kubectl("create", "configmap", name)
    gone = kubectl("delete", "configmap", name)
    assert gone.startswith(f'configmap "{name}" deleted')
    assert "NotFound" in kubectl("delete", "configmap", name, code=1)
    assert kubectl("delete", "configmap", name, "--ignore-not-found") == ""


def test_wait_for_a_condition(kubectl, applied, name, needs_controllers):
    done = kubectl("wait", "--for=condition=Available", f"deployment/{name}", "--timeout=60s")
    assert done == f"deployment.apps/{name} condition met\n"
    assert kubectl("rollout", "status", f"deployment/{name}").endswith("successfully rolled out\n")


def test_wait_for_a_field(kubectl, applied, name):
    words = ("wait", f"deployment/{name}", "--for=jsonpath={.spec.paused}=true", "--timeout=1ms")
    assert "timed out" in kubectl(*words, code=1)
    words = ("wait", f"service/{name}", "--for=jsonpath={.spec.type}=ClusterIP", "--timeout=9s")
    assert kubectl(*words) == f"service/{name} condition met\n"


def test_unknown_fields_are_refused(kubectl, manifest):
    manifest["items"][1]["spec"]["replcas"] = 1
    refused = kubectl("apply", "-f", "-", stdin=manifest, code=1)
    assert "unknown field" in refused
    assert "replcas" in refused


def test_explain(kubectl):
    shown = kubectl("explain", "deployment.spec.strategy.rollingUpdate")
    assert "maxSurge\t<IntOrString>" in shown
    assert "GROUP:      apps" in shown


def test_api_resources(kubectl, virtual_services):
    rows = {line.split()[0]: line.split() for line in kubectl("api-resources").splitlines()}
    assert rows["deployments"] == ["deployments", "deploy", "apps/v1", "true", "Deployment"]
    assert rows["namespaces"][-2:] == ["false", "Namespace"]
    assert rows["virtualservices"][-1] == "VirtualService"


def test_may_i(kubectl):
    assert kubectl("auth", "can-i", "create", "deployments.apps") == "yes\n"


def test_version(kubectl):
    assert "Server Version: v1." in kubectl("version")


def test_raw(kubectl, namespace):
    found = json.loads(kubectl("get", "--raw", f"/api/v1/namespaces/{namespace}/configmaps?limit=1"))
    assert found["kind"] == "ConfigMapList"
