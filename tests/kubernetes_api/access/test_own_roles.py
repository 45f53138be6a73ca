"""The roles that are there: view, edit, admin."""

import pytest

from .asking import GROUP, RBAC, named, review, rule, until, user_


def test_admins_edit_and_editors_view(api_server, needs_controllers):
    """A rule for a kind of somebody's own, labelled, is in all three."""
    label = {f"{GROUP}/aggregate-to-view": "true"}
    mine = rule("get", "example.org", "things")
    role = named("ClusterRole", f"{GROUP}/v1", rules=[mine])
    role["metadata"]["labels"] = label
    path = f"{RBAC}/clusterroles"
    assert api_server.ask("POST", path, role).code == 201
    try:
        until(lambda: all(mine in _rules(api_server, each) for each in ("view", "edit", "admin")))
    finally:
        api_server.ask("DELETE", f"{path}/{role['metadata']['name']}")
    until(lambda: not any(mine in _rules(api_server, each) for each in ("view", "edit", "admin")))


def _rules(server, role):
    return server.ask("GET", f"{RBAC}/clusterroles/{role}").json["rules"]


@pytest.mark.parametrize(
    ("role", "verb", "group", "resource", "allowed"),
    [
        ("view", "list", "", "pods", True),
        ("view", "get", "", "secrets", False),
        ("view", "create", "", "pods", False),
        ("edit", "get", "", "secrets", True),
        ("edit", "patch", "apps", "deployments", True),
        ("edit", "create", GROUP, "roles", False),
        ("admin", "create", GROUP, "roles", True),
        ("admin", "list", "", "nodes", False),
    ],
)
def test_the_three_roles(api_server, needs_controllers, rights, user, role, verb, group, resource, allowed):
    rights.bind("RoleBinding", {"kind": "ClusterRole", "metadata": {"name": role}}, user_(user))
    rights.wait(user, rule("get", "", "pods"), rights.namespace)
    asked = {"verb": verb, "group": group, "resource": resource, "namespace": rights.namespace}
    found = review(api_server, "SubjectAccessReview", user=user, resourceAttributes=asked)
    assert found["allowed"] is allowed
