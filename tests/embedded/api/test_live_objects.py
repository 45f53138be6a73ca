"""Everything that lives in a real cluster can be labelled, in any way, without changing otherwise."""

import pytest
from kubernetes import config, dynamic

MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
JSON, APPLY = "application/json-patch+json", "application/apply-patch+yaml"


def rest_of(obj: dict) -> dict:
    """What a label must not change: all but status (it lives on) and the traces of the write itself."""
    traces = ("resourceVersion", "managedFields", "labels")
    metadata = {key: value for key, value in obj["metadata"].items() if key not in traces}
    return {**obj, "metadata": metadata, "status": None}


def bodies(resource: dynamic.Resource, obj: dict):
    """(content type, body, options) of every way to write a label."""
    name, namespace = obj["metadata"]["name"], obj["metadata"].get("namespace")
    labels = {"metadata": {"labels": {"touched": "yes"}}}
    yield MERGE, labels, {}
    if not (resource.group or "").endswith("istio.io"):
        yield STRATEGIC, labels, {}
    yield JSON, [{"op": "test", "path": "/metadata/name", "value": name}], {}
    head = {"apiVersion": resource.group_version, "kind": resource.kind}
    applied = {**head, "metadata": {"name": name, "namespace": namespace, "labels": {"applied": "yes"}}}
    yield APPLY, applied, {"field_manager": "a-test"}


@pytest.mark.slow
def test_labelling_changes_nothing_else(cluster):
    with config.new_client_from_config(str(cluster.kubeconfig)) as connection:
        api, touched = dynamic.DynamicClient(connection), set()
        for resource in api.resources.search():
            if resource.kind.endswith("List") or "patch" not in (resource.verbs or ()):
                continue
            for obj in (each.to_dict() for each in api.get(resource).items):
                name, namespace = obj["metadata"]["name"], obj["metadata"].get("namespace")
                for content_type, body, options in bodies(resource, obj):
                    query = {"content_type": content_type, "dry_run": "All", **options}
                    after = api.patch(resource, body=body, name=name, namespace=namespace, **query)
                    assert rest_of(after.to_dict()) == rest_of(obj), (resource.kind, name, content_type)
                touched.add(resource.kind)
    assert {"Pod", "Deployment", "ReplicaSet", "Service", "Node", "Namespace", "ConfigMap"} <= touched
