"""Nobody gives rights that he has not."""

import pytest

from .asking import GROUP, RBAC, named, rule, user_


@pytest.fixture
def author(rights, user):
    """Who may write Roles, and read pods."""
    writing = rule("create update patch get", GROUP, "roles rolebindings clusterroles clusterrolebindings")
    rights.give_everywhere(user, writing, rule("get list", "", "pods pods/log"))
    return user


def roles_path(rights, kind="roles"):
    return f"{RBAC}/namespaces/{rights.namespace}/{kind}"


def test_nobody_gives_what_he_has_not(api_server, rights, author):
    them = api_server.as_user(author, "team")
    fine = named("Role", f"{GROUP}/v1", rules=[rule("get", "", "pods"), rule("get list", "", "pods/log")])
    assert them.ask("POST", roles_path(rights), fine).code == 201

    more = rule("delete get", "", "pods secrets")
    for body, method, path in (
        (named("Role", f"{GROUP}/v1", rules=[more]), "POST", roles_path(rights)),
        ({**fine, "rules": [more]}, "PUT", f"{roles_path(rights)}/{fine['metadata']['name']}"),
    ):
        refused = them.ask(method, path, body)
        name = body["metadata"]["name"]
        assert refused.refusal == (
            403,
            "Forbidden",
            f'roles.rbac.authorization.k8s.io "{name}" is forbidden: user "{author}" (groups=["team" '
            '"system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n'
            '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}\n'
            '{APIGroups:[""], Resources:["secrets"], Verbs:["delete" "get"]}',
        )


def test_a_cluster_role_for_paths_and_all(api_server, author):
    rules = [{"nonResourceURLs": ["/metrics", "/healthz"], "verbs": ["get", "post"]}]
    refused = api_server.as_user(author).ask(
        "POST", f"{RBAC}/clusterroles", named("ClusterRole", f"{GROUP}/v1", rules=rules)
    )
    assert refused.json["message"].split("held:\n")[1].split("\n") == [
        '{NonResourceURLs:["/healthz"], Verbs:["post"]}',
        '{NonResourceURLs:["/metrics"], Verbs:["get"]}',
        '{NonResourceURLs:["/metrics"], Verbs:["post"]}',
    ]


def test_to_aggregate_takes_every_right(api_server, author):
    selectors = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
    body = named("ClusterRole", f"{GROUP}/v1", aggregationRule=selectors, rules=[])
    refused = api_server.as_user(author).ask("POST", f"{RBAC}/clusterroles", body)
    assert refused.json["message"].endswith("must have cluster-admin privileges to use the aggregationRule")


def test_to_bind_is_to_give(api_server, rights, author):
    reference = {"apiGroup": GROUP, "kind": "ClusterRole", "name": "cluster-admin"}
    binding = named("RoleBinding", f"{GROUP}/v1", roleRef=reference, subjects=[user_(author)])
    path = roles_path(rights, "rolebindings")
    them = api_server.as_user(author)

    refused = them.ask("POST", path, binding)

    assert refused.json["message"].split("held:\n")[1].split("\n") == [
        '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}',
        '{NonResourceURLs:["*"], Verbs:["*"]}',
    ]
    lost = {**binding, "roleRef": {**reference, "name": "lost"}}
    assert them.ask("POST", path, lost).refusal == (
        404,
        "NotFound",
        'rolebindings.rbac.authorization.k8s.io "lost" not found',
    )
    rights.give_everywhere(author, rule("bind", GROUP, "clusterroles", resourceNames=["cluster-admin"]))
    assert them.ask("POST", path, binding).code == 201


def test_who_may_escalate(api_server, rights, author):
    rights.give_everywhere(author, rule("escalate", GROUP, "roles"))
    role = named("Role", f"{GROUP}/v1", rules=[rule("*", "*", "*")])
    assert api_server.as_user(author).ask("POST", roles_path(rights), role).code == 201
