"""Roles of every shape, given to both servers: each question about rights gets the same answer from both."""

import random
import time

import pytest

from labkit.embedded.api.access import default_roles

from .server import PATIENCE

RBAC, GROUP = "/apis/rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
QUESTIONS = 1500

SPACES = ("rbac-a", "rbac-b")
USERS = ("anna", "bob", "system:serviceaccount:rbac-a:robot", "system:serviceaccount:rbac-b:robot", "")
GROUPS = ("team", "system:serviceaccounts:rbac-a", "system:authenticated")
API_GROUPS = ("", "apps", "example.org")
VERBS = ("get", "list", "watch", "create", "patch", "delete", "use")
RESOURCES = ("pods", "pods/log", "pods/exec", "deployments", "deployments/scale", "things")
NAMES = ("", "one", "two")
PATHS = ("/metrics", "/metrics/slis", "/logs", "/logs/", "/logs/a", "/healthz", "/api/x", "/", "")

some = random.Random(20261130)


def _some(values, most=3):
    return some.sample(values, some.randint(1, min(most, len(values))))


def _rule(in_cluster):
    if in_cluster and some.random() < 0.25:
        paths = _some((*PATHS[:-1], "/logs/*", "/metrics*", "*"), 2)
        return {"nonResourceURLs": paths, "verbs": _some(("get", "post", "*"), 2)}
    rule = {
        "apiGroups": _some((*API_GROUPS, "*"), 2),
        "resources": _some((*RESOURCES, "*", "*/scale", "*/log", "pods/*")),
        "verbs": _some((*VERBS, "*")),
    }
    return rule | ({"resourceNames": _some(NAMES[1:], 2)} if some.random() < 0.3 else {})


def _subject():
    kind = some.choice(("User", "Group", "ServiceAccount"))
    if kind == "ServiceAccount":
        return {"kind": kind, "name": "robot", "namespace": some.choice(SPACES)}
    return {"kind": kind, "name": some.choice(USERS[:-1] if kind == "User" else GROUPS), "apiGroup": GROUP}


def _named(kind, name, namespace="", **fields):
    meta = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": meta, **fields}


def _objects():
    """Roles, and bindings that give them to somebody; some lead nowhere."""
    for number in range(10):
        yield _named("ClusterRole", f"zz-{number}", rules=[_rule(True) for _ in range(2)])
        for space in SPACES:
            yield _named("Role", f"zz-{number}", space, rules=[_rule(False) for _ in range(2)])
    for number in range(14):
        reference = {"apiGroup": GROUP, "name": f"zz-{some.randint(0, 10)}"}
        subjects = [_subject() for _ in range(some.randint(1, 2))]
        if number < 4:
            reference["kind"] = "ClusterRole"
            yield _named("ClusterRoleBinding", f"zz-{number}", roleRef=reference, subjects=subjects)
        else:
            reference["kind"] = some.choice(("ClusterRole", "Role"))
            space = some.choice(SPACES)
            yield _named("RoleBinding", f"zz-{number}", space, roleRef=reference, subjects=subjects)


def _question():
    spec = {"user": some.choice(USERS), "groups": some.sample(GROUPS, some.randint(0, 2))}
    if not spec["user"] and not spec["groups"]:
        spec["user"] = "anna"
    if some.random() < 0.2:
        return spec | {
            "nonResourceAttributes": {"path": some.choice(PATHS), "verb": some.choice(("get", "post"))}
        }
    resource, _, subresource = some.choice(RESOURCES).partition("/")
    return spec | {
        "resourceAttributes": {
            "verb": some.choice((*VERBS, "*")),
            "group": some.choice((*API_GROUPS, "*")),
            "resource": some.choice((resource, resource, resource, "*")),
            "subresource": subresource,
            "namespace": some.choice((*SPACES, "")),
            "name": some.choice(NAMES),
        }
    }


def _answer(server, spec):
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    answer = server.ask("POST", REVIEWS, body)
    assert answer.code == 201, answer.json
    return answer.json["status"]


@pytest.fixture(scope="module")
def with_roles(both):
    """Both servers with the same roles; a real one has seen the last of them."""
    last = _named(
        "ClusterRoleBinding",
        "zz-last",
        roleRef={"apiGroup": GROUP, "kind": "ClusterRole", "name": "cluster-admin"},
        subjects=[{"kind": "User", "name": "last", "apiGroup": GROUP}],
    )
    objects, made = [*_objects(), last], []
    for server in both:
        for space in SPACES:
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}
            assert server.ask("POST", "/api/v1/namespaces", body).code == 201
            made.append((server, f"/api/v1/namespaces/{space}"))
        for obj in objects:
            space = obj["metadata"].get("namespace")
            path = f"{RBAC}{f'/namespaces/{space}' if space else ''}/{obj['kind'].lower()}s"
            assert server.ask("POST", path, obj).code == 201
            made.append((server, f"{path}/{obj['metadata']['name']}"))
        deadline = time.monotonic() + PATIENCE
        asked = {"user": "last", "resourceAttributes": {"verb": "get", "resource": "pods"}}
        while not _answer(server, asked)["allowed"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)  # its authorizer follows a moment later
    yield both
    for server, path in reversed(made):
        server.ask("DELETE", path)


@pytest.mark.slow
def test_both_decide_alike(with_roles):
    real, ours = with_roles
    answers = [
        (spec, _answer(real, spec), _answer(ours, spec)) for spec in (_question() for _ in range(QUESTIONS))
    ]

    allowed = sum(theirs["allowed"] for _, theirs, _ in answers)
    assert QUESTIONS * 0.1 < allowed < QUESTIONS * 0.9  # a test that can fail
    differing = [each for each in answers if each[1]["allowed"] != each[2]["allowed"]]
    assert differing == []
    lost = [(theirs, own) for _, theirs, own in answers if not own["allowed"]]
    assert [_words(theirs) for theirs, _ in lost] == [_words(own) for _, own in lost]


def _words(status):
    """The reason, its errors in any order: a real server reads its bindings in none."""
    return sorted(
        status.get("reason", "").replace("[", "").replace("]", "").removeprefix("RBAC: ").split(", ")
    )


@pytest.mark.slow
@pytest.mark.parametrize("wanted", default_roles.ROLES, ids=lambda role: role["metadata"]["name"])
def test_the_default_roles_are_the_real_ones(both, wanted):
    real, ours = (
        server.ask("GET", f"{RBAC}/clusterroles/{wanted['metadata']['name']}").json for server in both
    )
    for role in (real, ours):
        for key in ("uid", "resourceVersion", "creationTimestamp", "managedFields"):
            role["metadata"].pop(key, None)
    if "aggregationRule" in real:  # nobody gathers for a bare server
        real["rules"] = ours["rules"]
    assert ours == real


@pytest.mark.slow
@pytest.mark.parametrize("wanted", default_roles.BINDINGS, ids=lambda binding: binding["metadata"]["name"])
def test_the_default_bindings_are_the_real_ones(both, wanted):
    path = f"{RBAC}/clusterrolebindings/{wanted['metadata']['name']}"
    real, ours = (server.ask("GET", path).json for server in both)
    assert (ours["roleRef"], ours["subjects"]) == (real["roleRef"], real["subjects"])
    assert (ours["metadata"]["labels"], ours["metadata"]["annotations"]) == (
        real["metadata"]["labels"],
        real["metadata"]["annotations"],
    )
