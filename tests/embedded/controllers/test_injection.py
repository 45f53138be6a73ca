"""Injection: the decision's table, and what comes out of the templates."""

import json

import pytest

from labkit.embedded.controllers.injection import Injection
from labkit.embedded.objects import annotations_of, labels_of, name_of, namespace_of
from labkit.embedded.status import ApiError

INJECT, REVISION = "sidecar.istio.io/inject", "istio.io/rev"
ON = {"istio-injection": "enabled"}


def label(world, labels, namespace="dev"):
    world.client.patch("namespaces", namespace, "", {"metadata": {"labels": labels}})


def make(world, namespace="dev", containers=None, labels=None, annotations=None, **spec):
    containers = containers or [{"name": "app", "image": "v1"}]
    metadata = {"generateName": "pod-", "namespace": namespace}
    metadata |= {"labels": labels or {}, "annotations": annotations or {}}
    return world.client.create("pods", {"metadata": metadata, "spec": {"containers": containers, **spec}})


def names(pod):
    return [each["name"] for each in pod["spec"]["containers"]]


def proxy(pod):
    return next(each for each in pod["spec"]["containers"] if each["name"] == "istio-proxy")


@pytest.mark.parametrize(
    ("namespace", "labels", "annotations", "injected"),
    [
        (ON, {}, {}, True),
        (ON, {INJECT: "true"}, {}, True),
        (ON, {INJECT: "false"}, {}, False),
        (ON, {}, {INJECT: "false"}, False),
        (ON, {INJECT: "true"}, {INJECT: "false"}, True),
        (ON, {INJECT: "false"}, {INJECT: "true"}, False),
        ({"istio-injection": "disabled"}, {}, {}, False),
        ({"istio-injection": "disabled"}, {INJECT: "true"}, {}, False),
        ({"istio-injection": ""}, {INJECT: "true"}, {}, False),
        ({}, {}, {}, False),
        ({}, {INJECT: "true"}, {}, True),
        ({}, {}, {INJECT: "true"}, False),
        ({}, {REVISION: "default"}, {}, True),
        ({}, {REVISION: "canary", INJECT: "true"}, {}, False),
        ({REVISION: "default"}, {}, {}, True),
        ({REVISION: "default"}, {INJECT: "true"}, {}, True),
        ({REVISION: "default"}, {INJECT: "false"}, {}, False),
        ({REVISION: "canary"}, {}, {}, False),
        ({REVISION: "canary"}, {INJECT: "true"}, {}, False),
        ({"istio-injection": "enabled", REVISION: "canary"}, {}, {}, True),
        ({"istio-injection": "disabled", REVISION: "default"}, {}, {}, False),
    ],
)
async def test_the_decision(mesh, namespace, labels, annotations, injected):
    label(mesh, namespace)
    made = make(mesh, labels=labels, annotations=annotations)
    assert ("istio-proxy" in names(made)) is injected


async def test_never_with_the_hosts_network(mesh):
    label(mesh, ON)
    assert names(make(mesh, hostNetwork=True)) == ["app"]


async def test_never_in_the_systems_namespaces(mesh):
    label(mesh, ON, "kube-system")
    assert names(make(mesh, "kube-system", labels={INJECT: "true"})) == ["app"]


async def test_never_without_istio(world):
    world.client.add_admission(Injection(world.client))
    label(world, ON)
    assert names(make(world)) == ["app"]


async def test_only_when_a_pod_is_created(mesh):
    made = make(mesh)
    label(mesh, ON)
    mesh.client.patch("pods", name_of(made), "dev", {"metadata": {"labels": {"x": "y"}}})
    assert names(mesh.client.get("pods", name_of(made), "dev")) == ["app"]


async def test_a_deployments_pods_get_the_proxy_when_they_are_made_anew(mesh):
    mesh.deploy()
    mesh.run_all()
    label(mesh, ON)
    assert names(mesh.pods()[0]) == ["app"]
    mesh.change(template={"metadata": {"annotations": {"restarted": "now"}}})
    mesh.run_all()
    (pod,) = mesh.pods()
    assert names(pod) == ["app", "istio-proxy"]
    assert labels_of(pod)["service.istio.io/canonical-name"] == "web"
    (container,) = mesh.deployment()["spec"]["template"]["spec"]["containers"]
    assert container["name"] == "app"


async def test_what_a_sidecar_looks_like(mesh):
    label(mesh, ON)
    made = make(mesh, labels={"app": "shop", "version": "v7"})
    assert names(made) == ["app", "istio-proxy"]
    sidecar = proxy(made)
    assert sidecar["image"] == "docker.io/istio/proxyv2:1.30.3"
    assert sidecar["args"] == [
        *("proxy", "sidecar", "--domain", "$(POD_NAMESPACE).svc.cluster.local"),
        *("--proxyLogLevel=warning", "--proxyComponentLogLevel=misc:error"),
        "--log_output_level=default:info",
    ]
    (port,) = sidecar["ports"]
    assert (port["containerPort"], port["name"]) == (15090, "http-envoy-prom")
    assert sidecar["readinessProbe"]["httpGet"] == {"path": "/healthz/ready", "port": 15021, "scheme": "HTTP"}
    assert sidecar["resources"]["limits"] == {"cpu": "2", "memory": "1Gi"}
    assert labels_of(made)["service.istio.io/canonical-name"] == "shop"
    assert labels_of(made)["service.istio.io/canonical-revision"] == "v7"
    assert labels_of(made)["security.istio.io/tlsMode"] == "istio"
    notes = annotations_of(made)
    assert json.loads(notes["sidecar.istio.io/status"])["containers"] == ["istio-proxy"]
    assert notes["istio.io/rev"] == "default"
    assert notes["kubectl.kubernetes.io/default-container"] == "app"


async def test_the_installations_resources_are_used(mesh):
    resources = {"requests": {"cpu": "10m"}, "limits": {"memory": "64Mi"}}
    values = {"global": {"proxy": {"resources": resources}}}
    mesh.create("configmaps", "istio-sidecar-injector", "istio-system", data={"values": json.dumps(values)})
    label(mesh, ON)
    given = proxy(make(mesh))["resources"]
    assert (given["requests"]["cpu"], given["limits"]) == ("10m", {"memory": "64Mi"})


async def test_the_authors_own_settings_of_the_proxy_win(mesh):
    label(mesh, ON)
    own = {
        "name": "istio-proxy",
        "image": "auto",
        "resources": {"limits": {"cpu": "50m"}},
        "env": [{"name": "MINE", "value": "1"}],
    }
    made = make(mesh, containers=[own, {"name": "app", "image": "v1"}])
    assert names(made) == ["app", "istio-proxy"]
    sidecar = proxy(made)
    assert sidecar["image"] == "docker.io/istio/proxyv2:1.30.3"
    assert sidecar["imagePullPolicy"] == "IfNotPresent"
    assert sidecar["resources"]["limits"] == {"cpu": "50m"}
    assert {"POD_NAME", "MINE"} <= {each["name"] for each in sidecar["env"]}


async def test_a_gateway_is_an_ordinary_pod(mesh):
    made = make(
        mesh,
        containers=[{"name": "istio-proxy", "image": "auto", "ports": [{"containerPort": 8080}]}],
        labels={INJECT: "true", "istio": "mine"},
        annotations={"inject.istio.io/templates": "gateway"},
    )
    assert names(made) == ["istio-proxy"]
    gateway = proxy(made)
    assert gateway["image"] == "docker.io/istio/proxyv2:1.30.3"
    assert gateway["args"][:2] == ["proxy", "router"]
    assert {each["containerPort"] for each in gateway["ports"]} == {15090, 8080}


async def test_automatic_without_injection_stays_as_it_is(mesh):
    made = make(mesh, containers=[{"name": "istio-proxy", "image": "auto"}])
    assert proxy(made)["image"] == "auto"


async def test_an_unknown_template_is_refused(mesh):
    label(mesh, ON)
    with pytest.raises(ApiError, match='requested template "grpc" not found; have \\[gateway, sidecar]'):
        make(mesh, annotations={"inject.istio.io/templates": "grpc"})


async def test_no_pod_is_made_while_istiod_is_down(mesh):
    label(mesh, ON)
    mesh.delete("pods", "istiod", "istio-system", grace_seconds=0)
    with pytest.raises(ApiError) as refused:
        make(mesh)
    assert refused.value.code == 500
    assert refused.value.message == (
        'Internal error occurred: failed calling webhook "namespace.sidecar-injector.istio.io": failed to '
        'call webhook: Post "https://istiod.istio-system.svc:443/inject?timeout=10s": '
        'no endpoints available for service "istiod"'
    )
    assert namespace_of(make(mesh, "default")) == "default"  # nobody asks istiod there
