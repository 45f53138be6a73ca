"""The Roles printed for an administrator allow what the lab needs, and not the rest: a real RBAC decides."""

import pytest
import yaml

from labkit.kube.api.permissions import FOR_FAULTS, IN_ISTIO_SYSTEM, IN_THE_LAB, ON_THE_CLUSTER, roles

REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
SYSTEM = "istio-system"


@pytest.fixture(scope="module")
def learner(api_server, namespace):
    """A user who was given these Roles, and nothing else."""
    made = []
    for name in (SYSTEM,):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        if api_server.ask("POST", "/api/v1/namespaces", body).code == 201:
            made.append(f"/api/v1/namespaces/{name}")
    for obj in yaml.safe_load_all(roles("anna", [namespace], "kube-public")):
        place = obj["metadata"].get("namespace")
        path = f"{RBAC}{f'/namespaces/{place}' if place else ''}/{obj['kind'].lower()}s"
        assert api_server.ask("POST", path, obj).code == 201
        made.append(f"{path}/{obj['metadata']['name']}")
    yield "anna"
    for path in reversed(made):
        api_server.ask("DELETE", path)


def may(server, user, verb, group, resource, namespace=""):
    name, _, subresource = resource.partition("/")
    attributes = {"verb": verb, "group": group, "resource": name, "namespace": namespace}
    spec = {"user": user, "resourceAttributes": attributes | {"subresource": subresource}}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    return server.ask("POST", REVIEWS, review).json["status"]["allowed"]


def test_a_learner_may_do_what_the_lab_does(api_server, learner, namespace):
    wanted = [(p, namespace) for p in (*IN_THE_LAB, *FOR_FAULTS)] + [(p, SYSTEM) for p in IN_ISTIO_SYSTEM]
    wanted += [(p, "") for p in ON_THE_CLUSTER]
    refused = [
        (verb, p.resource, place)
        for p, place in wanted
        for verb in p.verbs
        if not may(api_server, learner, verb, p.group, p.resource, place)
    ]

    assert refused == []


@pytest.mark.parametrize(
    ("verb", "group", "resource", "place"),
    [
        ("create", "", "pods", "default"),
        ("get", "", "secrets", SYSTEM),
        ("patch", "", "configmaps", SYSTEM),
        ("delete", "apps", "deployments", SYSTEM),
        ("create", "", "namespaces", ""),
        ("create", "networking.istio.io", "virtualservices", "default"),
        ("create", "networking.istio.io", "envoyfilters", "default"),
        ("create", "networking.istio.io", "envoyfilters", SYSTEM),
    ],
)
def test_and_nothing_that_is_others(api_server, learner, verb, group, resource, place):
    assert not may(api_server, learner, verb, group, resource, place)
