"""The way in: with no token, a bad one, a damaged one; and what is there for those who come in."""

import base64
import contextlib

import pytest

from labkit.embedded.api.access import rbac, reconciliation
from labkit.embedded.api.access.authentication import Authenticator
from labkit.embedded.api.access.keys import BadTokenError, SigningKey
from labkit.embedded.api.inprocess import InProcessClient
from labkit.embedded.objects import mutable
from labkit.embedded.status import ApiError
from labkit.embedded.store import Store


@pytest.fixture
def client(tmp_path):
    store = Store(tmp_path / "state.db")
    yield InProcessClient(store)
    store.close()


@pytest.mark.parametrize("kept", ["", " ", "\n"])
def test_a_damaged_token_opens_nothing(client, kept):
    door = Authenticator(client.store, kept.strip(), SigningKey())
    for sent in (f"Bearer {kept}", "Bearer ", "Bearer", "bearer  ", ""):
        with contextlib.suppress(ApiError):  # 401
            assert door.of_request({"Authorization": sent}) is None


def test_without_a_token_only_health_and_version(api):
    none = {"Authorization": ""}
    for path in ("/healthz", "/livez", "/readyz", "/version", "/version/"):
        assert api.ask("GET", path, headers=none).status == 200
    api.inside(lambda: api.client.create(rbac.CLUSTER_ROLE_BINDINGS, binding_to_everybody()))
    for path in ("/", "/api", "/apis", "/openapi/v3", "/api/v1/secrets", "/metrics", "/healthz/etcd"):
        assert api.ask("GET", path, headers=none).status == 401
    assert api.ask("POST", "/healthz", {}, headers=none).status == 401
    as_master = {"Impersonate-User": "x", "Impersonate-Group": "system:masters", **none}
    assert api.ask("GET", "/api/v1/secrets", headers=as_master).status == 401


def binding_to_everybody():
    subjects = [
        {"kind": "Group", "name": name, "apiGroup": rbac.GROUP}
        for name in ("system:unauthenticated", "system:anonymous")
    ]
    reference = {"kind": "ClusterRole", "name": "cluster-admin", "apiGroup": rbac.GROUP}
    return {"metadata": {"name": "all"}, "roleRef": reference, "subjects": subjects}


@pytest.mark.parametrize(
    "headers",
    [{"Impersonate-Group": "system:masters"}, {"Impersonate-Uid": "1"}, {"Impersonate-Extra-Scope": "a"}],
)
def test_nobody_is_impersonated(api, headers):
    refused = api.ask("GET", "/api/v1/secrets", headers=headers)
    assert refused.status == 400
    assert refused.json["message"].endswith("without impersonating a user")


@pytest.mark.parametrize("token", ["é", "\udcff".encode(errors="surrogateescape"), "x" * 7000, "a.b.c" * 50])
def test_odd_tokens_are_no_fault_of_ours(api, token):
    value = token if isinstance(token, str) else token.decode("latin-1")
    headers = {"Authorization": f"Bearer {value}"}
    assert api.ask("GET", "/api/v1/secrets", headers=headers).status == 401


def test_odd_names_are_no_fault_of_ours(api):
    headers = {"Impersonate-User": "\xff\xfe", "Impersonate-Extra-%ff": "\xff"}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    found = api.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body, headers)
    assert found.status == 201
    assert api.ask("GET", "/api/v1/secrets", headers=headers).status == 403


def test_a_header_nested_too_deeply_is_a_bad_token():
    deep = base64.urlsafe_b64encode(b"[" * 11_000).decode().rstrip("=")
    for token in (f"{deep}.e30.x", f"e30.{deep}.x"):
        with pytest.raises(BadTokenError):
            SigningKey().claims(token)


# --- the default roles


def role(client, name):
    return mutable(client.get(rbac.CLUSTER_ROLES, name))


def test_default_roles_come_back(client):
    reconciliation.ensure(client)
    before, more = (
        role(client, "system:basic-user"),
        {"apiGroups": [""], "resources": ["x"], "verbs": ["get"]},
    )
    changed = {**before, "rules": [before["rules"][0], more]}
    changed["metadata"] = {**before["metadata"], "labels": {"mine": "1"}}
    client.update(rbac.CLUSTER_ROLES, changed)
    client.delete(rbac.CLUSTER_ROLES, "view")
    binding = mutable(client.get(rbac.CLUSTER_ROLE_BINDINGS, "cluster-admin"))
    client.update(rbac.CLUSTER_ROLE_BINDINGS, {**binding, "subjects": []})

    reconciliation.ensure(client)

    found = role(client, "system:basic-user")
    assert more in found["rules"]
    assert before["rules"][1] in found["rules"]
    assert found["metadata"]["labels"] == {"mine": "1", **before["metadata"]["labels"]}
    assert role(client, "view")["rules"]
    subjects = client.get(rbac.CLUSTER_ROLE_BINDINGS, "cluster-admin")["subjects"]
    assert [each["name"] for each in subjects] == ["system:masters"]
    revision = client.revision
    reconciliation.ensure(client)
    assert client.revision == revision


def test_default_roles_can_be_left_alone(client):
    reconciliation.ensure(client)
    changed = role(client, "system:discovery")
    changed["metadata"]["annotations"] = {"rbac.authorization.kubernetes.io/autoupdate": "false"}
    client.update(rbac.CLUSTER_ROLES, {**changed, "rules": []})

    reconciliation.ensure(client)

    assert not role(client, "system:discovery").get("rules")
