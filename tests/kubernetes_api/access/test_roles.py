"""Roles and their bindings: who may what."""

import time

import pytest

from ..server import PATIENCE
from .asking import RBAC, named, rule, user_


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("GET", "/api/v1/pods", 'pods is forbidden: User "{u}" cannot list resource "pods" in API group "" at the cluster scope'),  # noqa: E501
        ("GET", "{ns}/pods?watch=1", 'pods is forbidden: User "{u}" cannot watch resource "pods" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("GET", "{ns}/pods/p", 'pods "p" is forbidden: User "{u}" cannot get resource "pods" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("GET", "{ns}/pods/p/log", 'pods "p" is forbidden: User "{u}" cannot get resource "pods/log" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("POST", "{ns}/pods/p/exec", 'pods "p" is forbidden: User "{u}" cannot create resource "pods/exec" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("GET", "{ns}/pods/p/portforward", 'pods "p" is forbidden: User "{u}" cannot get resource "pods/portforward" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("PUT", "{ns}/pods/p:80/proxy/x/y", 'pods "p:80" is forbidden: User "{u}" cannot update resource "pods/proxy" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("POST", "{ns}/configmaps", 'configmaps is forbidden: User "{u}" cannot create resource "configmaps" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("PATCH", "{ns}/configmaps/m", 'configmaps "m" is forbidden: User "{u}" cannot patch resource "configmaps" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("DELETE", "{ns}/configmaps", 'configmaps is forbidden: User "{u}" cannot deletecollection resource "configmaps" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("DELETE", "/apis/apps/v1/namespaces/{n}/deployments/d", 'deployments.apps "d" is forbidden: User "{u}" cannot delete resource "deployments" in API group "apps" in the namespace "{n}"'),  # noqa: E501
        ("PUT", "/apis/apps/v1/namespaces/{n}/deployments/d/scale", 'deployments.apps "d" is forbidden: User "{u}" cannot update resource "deployments/scale" in API group "apps" in the namespace "{n}"'),  # noqa: E501
        ("GET", "/api/v1/namespaces/{n}", 'namespaces "{n}" is forbidden: User "{u}" cannot get resource "namespaces" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("PUT", "/api/v1/namespaces/{n}/finalize", 'namespaces "{n}" is forbidden: User "{u}" cannot update resource "namespaces/finalize" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("GET", "/api/v1/nodes", 'nodes is forbidden: User "{u}" cannot list resource "nodes" in API group "" at the cluster scope'),  # noqa: E501
        ("GET", "{ns}/pods?fieldSelector=metadata.name%3Dp", 'pods "p" is forbidden: User "{u}" cannot list resource "pods" in API group "" in the namespace "{n}"'),  # noqa: E501
        ("GET", "/apis/nope.io/v1/things/t", 'things.nope.io "t" is forbidden: User "{u}" cannot get resource "things" in API group "nope.io" at the cluster scope'),  # noqa: E501
        ("GET", "/metrics", 'forbidden: User "{u}" cannot get path "/metrics"'),
        ("POST", "/apis", 'forbidden: User "{u}" cannot post path "/apis"'),
    ],
)  # fmt: skip
def test_who_has_no_rights_is_refused(api_server, namespace, core, user, method, path, words):
    path, _, query = path.format(ns=core, n=namespace).partition("?")
    key, _, value = query.partition("=")

    answer = api_server.as_user(user).ask(method, path, **({key: value.replace("%3D", "=")} if key else {}))

    assert answer.refusal == (403, "Forbidden", words.format(u=user, n=namespace))
    resource, quote, _ = answer.json["message"].partition(" is forbidden: ")
    kind, _, group = resource.split(" ")[0].partition(".")
    wanted = {"kind": kind, "group": group, "name": resource.split('"')[1] if '"' in resource else ""}
    about = {name: each for name, each in wanted.items() if each} if quote else {}
    assert answer.json["details"] == about


def test_everybody_may_look_around(api_server, user):
    anybody = api_server.as_user(user)
    assert [anybody.ask("GET", path).code for path in ("/api", "/apis/apps", "/version", "/healthz")] == [
        200
    ] * 4
    assert anybody.ask("GET", "/openapi/v3").code == 200


def test_a_role_allows_what_it_says(api_server, rights, core, user):
    rights.give(
        user, rule("get list create", "", "configmaps"), rule("get", "", "secrets", resourceNames=["mine"])
    )
    them = api_server.as_user(user)

    assert them.ask("GET", f"{core}/configmaps").code == 200
    assert them.ask("POST", f"{core}/configmaps", named("ConfigMap")).code == 201
    assert them.ask("DELETE", f"{core}/configmaps/x").code == 403
    assert them.ask("GET", "/api/v1/configmaps").code == 403
    assert them.ask("GET", "/api/v1/namespaces/default/configmaps").code == 403
    assert them.ask("GET", f"{core}/secrets/mine").code == 404
    assert them.ask("GET", f"{core}/secrets/other").code == 403
    assert them.ask("GET", f"{core}/secrets").code == 403


def test_a_name_is_what_a_list_may_select(api_server, rights, core, user):
    rights.give(user, rule("list", "", "secrets", resourceNames=["mine"]))
    them = api_server.as_user(user)

    assert them.ask("GET", f"{core}/secrets", fieldSelector="metadata.name=mine").code == 200
    assert them.ask("GET", f"{core}/secrets", fieldSelector="metadata.name!=mine").code == 403
    assert them.ask("GET", f"{core}/secrets", fieldSelector="metadata.namespace=mine").code == 403


def test_a_binding_gives_a_cluster_role_in_one_namespace(api_server, rights, core, user):
    role = rights.make("ClusterRole", rules=[rule("*", "*", "*")])
    rights.bind("RoleBinding", role, user_(user))
    rights.wait(user, rule("get", "", "pods"), rights.namespace)
    them = api_server.as_user(user)

    assert them.ask("GET", f"{core}/secrets").code == 200
    assert them.ask("GET", "/api/v1/secrets").code == 403
    assert them.ask("GET", core).code == 200  # the namespace itself
    assert them.ask("GET", "/metrics").code == 403


def test_a_path_is_no_way_around(api_server, rights, core, user):
    """Encoded, doubled or cut slashes: what is decided on is what is done."""
    rights.give(user, rule("get", "", "pods"))
    them = api_server.as_user(user)
    other = "/api/v1/namespaces/kube-system"
    for path in (
        f"{core}/pods/p%2Flog",
        f"{core}/pods/..%2f..%2f..%2fkube-system%2fsecrets",
        f"{other}/%73ecrets",
        "/api/v1/namespaces//secrets",
        f"/api/v1/namespaces/{rights.namespace}%2f..%2fkube-system/secrets",
        f"{other}/secrets/",
        f"{core}/pods/p/log",
        "/healthz/..%2fapi%2fv1%2fsecrets",
    ):
        assert them.ask("GET", path).code in (301, 400, 403, 404), path
    assert "items" not in them.ask("GET", f"{core}/pods/").body.decode()


def test_rights_end(api_server, rights, core, user):
    name = rights.give(user, rule("list", "", "configmaps"))
    them = api_server.as_user(user)
    assert them.ask("GET", f"{core}/configmaps").code == 200

    path = f"{RBAC}/namespaces/{rights.namespace}/rolebindings/{name}"
    assert api_server.ask("DELETE", path).code == 200

    deadline = time.monotonic() + PATIENCE
    while them.ask("GET", f"{core}/configmaps").code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.02)  # a real server's authorizer follows a moment later


def test_a_role_that_is_not_there(api_server, rights, core, user):
    lost = {"kind": "Role", "metadata": {"name": "lost"}}
    rights.bind("RoleBinding", lost, user_(user))
    rights.give(user, rule("get", "", "pods"))

    answer = api_server.as_user(user).ask("GET", f"{core}/secrets")

    assert answer.json["message"].endswith(
        f'in the namespace "{rights.namespace}": RBAC: role.rbac.authorization.k8s.io "lost" not found'
    )


def test_to_apply_what_is_not_there_is_to_create_it(api_server, rights, core, user):
    rights.give(user, rule("patch", "", "configmaps"))
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}, "data": {}}

    answer = api_server.as_user(user).ask(
        "PATCH",
        f"{core}/configmaps/new",
        body,
        content_type="application/apply-patch+yaml",
        fieldManager="suite",
    )

    assert answer.code == 403
    assert f'User "{user}" cannot create resource "configmaps"' in answer.json["message"]
