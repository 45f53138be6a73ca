"""The official Python client, typed and dynamic, against this server."""

import gc
import threading
from typing import Any

import pytest
from kubernetes import client, config, dynamic, watch
from kubernetes.client.rest import ApiException
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError


@pytest.fixture
def connection(api):
    with config.new_client_from_config(str(api.kubeconfig)) as made:
        yield made
        made.rest_client.pool_manager.clear()
    gc.collect()  # a refusal's traceback holds its connection


def route(weight: int = 50) -> dict[str, Any]:
    destinations = [
        {"destination": {"host": host}, "weight": part} for host, part in (("a", weight), ("b", 100 - weight))
    ]
    return {
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "VirtualService",
        "metadata": {"name": "route", "namespace": "dev"},
        "spec": {"hosts": ["a"], "http": [{"route": destinations}]},
    }


def typed_deployment() -> client.V1Deployment:
    container = client.V1Container(
        name="app", image="app:1", ports=[client.V1ContainerPort(container_port=80)]
    )
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels={"app": "web"}), spec=client.V1PodSpec(containers=[container])
    )
    selector = client.V1LabelSelector(match_labels={"app": "web"})
    spec = client.V1DeploymentSpec(replicas=1, selector=selector, template=template)
    return client.V1Deployment(metadata=client.V1ObjectMeta(name="web"), spec=spec)


def test_typed_objects_there_and_back(connection):
    apps = client.AppsV1Api(connection)
    made = apps.create_namespaced_deployment("dev", typed_deployment())
    assert made.spec.strategy.type == "RollingUpdate"
    assert made.metadata.creation_timestamp.tzinfo is not None
    made.spec.replicas = 3
    assert apps.replace_namespaced_deployment("web", "dev", made).metadata.generation == 2
    scale = apps.read_namespaced_deployment_scale("web", "dev")
    assert scale.spec.replicas == 3
    apps.patch_namespaced_deployment_scale("web", "dev", {"spec": {"replicas": 4}})
    assert apps.list_namespaced_deployment("dev", label_selector="!none").items[0].spec.replicas == 4
    apps.delete_namespaced_deployment("web", "dev")
    with pytest.raises(ApiException) as gone:
        apps.read_namespaced_deployment("web", "dev")
    assert gone.value.status == 404


def test_every_list_a_learner_asks_for_can_be_read(connection):
    core, found = client.CoreV1Api(connection), {}
    for name in ("namespace", "node"):
        found[name] = getattr(core, f"list_{name}")().items
    for name in ("pod", "service", "config_map", "secret", "service_account", "event", "endpoints"):
        found[name] = getattr(core, f"list_{name}_for_all_namespaces")().items
    assert {"default", "dev", "kube-system"} <= {each.metadata.name for each in found["namespace"]}
    assert [each.spec.cluster_ip for each in found["service"]] == ["127.10.0.1"]


def test_the_dynamic_client_applies_and_sees_conflicts(connection):
    routes = dynamic.DynamicClient(connection).resources.get(
        api_version="networking.istio.io/v1beta1", kind="VirtualService"
    )
    made = routes.server_side_apply(body=route(), name="route", namespace="dev", field_manager="me")
    assert made.spec.http[0].route[0].weight == 50
    routes.server_side_apply(body=route(10), name="route", namespace="dev", field_manager="me")
    with pytest.raises(ConflictError):
        routes.server_side_apply(body=route(20), name="route", namespace="dev", field_manager="other")
    assert routes.get(name="route", namespace="dev").spec.http[0].route[1].weight == 90
    routes.delete(name="route", namespace="dev")
    with pytest.raises(NotFoundError):
        routes.get(name="route", namespace="dev")


def test_a_watch_sees_events_until_it_is_stopped(connection, api):
    core, events = client.CoreV1Api(connection), []
    watcher = watch.Watch()
    timer = threading.Timer(
        0.3, lambda: core.create_namespaced_config_map("dev", {"metadata": {"name": "later"}})
    )
    timer.start()
    for event in watcher.stream(core.list_namespaced_config_map, "dev", timeout_seconds=20):
        events.append((event["type"], event["object"].metadata.name))
        watcher.stop()
    timer.join()
    assert events == [("ADDED", "later")]


def test_logs_are_text(connection, api):
    core = client.CoreV1Api(connection)
    pod = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}}
    core.create_namespaced_pod("dev", pod)
    assert core.read_namespaced_pod_log("web", "dev", tail_lines=2) == "first line\nsecond line\n"


def test_refusals_carry_their_status(connection):
    with pytest.raises(ApiException) as refused:
        client.CoreV1Api(connection).create_namespaced_config_map("nowhere", {"metadata": {"name": "a"}})
    assert refused.value.status == 404
    assert 'namespaces \\"nowhere\\" not found' in refused.value.body
